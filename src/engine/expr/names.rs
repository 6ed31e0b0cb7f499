//! Unknown names: which known one was probably meant.

/// The known name that was probably meant, if one is near.
#[must_use]
pub fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // A third of the letters may be wrong, in longer names more than one: more would be guessing.
    let letters = name.chars().count();
    let most = if letters < 3 { 0 } else { (letters / 3).max(1) };
    let distance = |it: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &it.to_lowercase());
    known.into_iter().map(|it| (distance(it), it)).filter(|(distance, _)| *distance <= most).min().map(|(_, it)| it)
}

/// What to do about an unknown name: the near one, or all that there are.
#[must_use]
pub fn known_names<'k>(name: &str, what: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    if let Some(near) = did_you_mean(name, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let all: Vec<String> = known.into_iter().map(|it| format!("`{it}`")).collect();
    match all.as_slice() {
        [] => format!("there are no {what} here"),
        [one] => format!("the only one of the {what} is {one}"),
        _ => format!("the {what} are: {}", all.join(", ")),
    }
}
