//! What came of a scenario, as text for people; it fits into 80 columns where names are not too long.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use super::Play;
use super::course::Played;
use super::findings::{Compared, DeadGroup, Example, Found};
use crate::cli::out::{Style, styled};

/// Differences of one comparison that are shown.
const DIFFERENCES_MAX: usize = 5;
/// Characters of a dead letter that are shown.
const EXAMPLE_MAX: usize = 48;

/// The whole picture. `pace` says how fast the application was in its own words.
pub fn lines(play: &Play<'_>, played: &Played, found: &Found, pace: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    for (picture, shown) in play.scenario.pictures.iter().zip(&found.pictures) {
        let which = if picture.top.is_some() { "the greatest" } else { "the first" };
        lines.extend(heading(&picture.title, &format!("{which} {} of {}", shown.rows.len(), number(wide(shown.of)))));
        lines.extend(columns(&picture.columns, &shown.rows));
    }
    lines.extend(dead_letters(found));
    lines.extend(heading("How fast", ""));
    lines.extend(speed(played));
    lines.extend(pace.map(|it| format!("  {it}")));
    lines.extend(heading("Compared with the generator's own figures", &format!("--seed {}", play.seed)));
    for compared in &found.compared {
        lines.extend(comparison(compared, play.file));
    }
    lines.extend([String::new(), verdict(found)]);
    lines
}

fn heading(title: &str, note: &str) -> [String; 2] {
    let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
    [String::new(), styled(Style::Strong, title) + &note]
}

fn dead_letters(found: &Found) -> Vec<String> {
    let count: u64 = found.dead.values().map(|it| it.count).sum();
    let mut lines = heading("What could not be processed", &format!("{} dead letters; everything else went on", number(count))).to_vec();
    let mut topics: BTreeMap<&str, Vec<(&str, &DeadGroup)>> = BTreeMap::new();
    for ((topic, reason), group) in &found.dead {
        topics.entry(topic).or_default().push((reason, group));
    }
    let reasons = found.dead.keys().map(|it| it.1.chars().count()).max().unwrap_or(0);
    let counts = found.dead.values().map(|it| number(it.count).len()).max().unwrap_or(0);
    for (topic, groups) in topics {
        lines.push(format!("  {topic}"));
        for (reason, group) in groups {
            lines.push(format!("    {reason:reasons$}  {:>counts$}  {}", number(group.count), cut(&example(&group.example))));
        }
    }
    lines
}

/// What is wrong with a dead letter, in as few words as can be.
fn example(example: &Example) -> String {
    let value = example.value.as_deref().unwrap_or_default();
    let found = serde_json::from_str::<Json>(value).ok().and_then(|it| it.pointer(&example.path).cloned());
    let name = example.path.trim_start_matches('/').replace('/', ".");
    match found {
        _ if name.is_empty() => example.message.clone(),
        Some(found) => format!("{name}: {found}"),
        None => format!("{name}: {}", example.message),
    }
}

fn comparison(compared: &Compared, file: &str) -> Vec<String> {
    let Compared { tally, place, line, figures, differences } = compared;
    let Some(differences) = differences else { return vec![format!("  -  {tally}: {place}: can't be seen from here")] };
    if differences.is_empty() {
        let all = if *figures == 1 { "equal".to_owned() } else { format!("all {} equal", number(wide(*figures))) };
        return vec![format!("  {}  {tally}: {place}: {all}", styled(Style::Good, "="))];
    }
    let asked = line.map(|it| format!("  ({file}:{it})")).unwrap_or_default();
    let counts = format!("{} of {} differ", number(wide(differences.len())), number(wide(*figures)));
    let mut lines = vec![format!("  {}  {tally}: {place}: {counts}{asked}", styled(Style::Bad, "≠"))];
    lines.extend(differences.iter().take(DIFFERENCES_MAX).map(|it| format!("       {it}")));
    if DIFFERENCES_MAX < differences.len() {
        lines.push(format!("       and {} more", number(wide(differences.len() - DIFFERENCES_MAX))));
    }
    lines
}

fn verdict(found: &Found) -> String {
    let compared = found.compared.iter().filter(|it| it.differences.is_some());
    let figures: usize = compared.clone().map(|it| it.figures).sum();
    match found.faults().len() {
        0 => styled(Style::Good, &format!("All {} figures are equal.", number(wide(figures)))),
        n => styled(Style::Bad, &format!("{n} of {} comparisons differ.", compared.count())),
    }
}

fn speed(played: &Played) -> [String; 2] {
    let millis = u64::try_from(played.took.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = played.records.saturating_mul(1_000) / millis;
    let Played { records, copies, .. } = played;
    [
        format!("  {} records in {} s: {} a second", number(*records), seconds(played.took), number(rate)),
        format!("  {} of them were copies of earlier ones, and had no effect", number(*copies)),
    ]
}

/// `2.4`
fn seconds(time: Duration) -> String {
    format!("{}.{}", time.as_secs(), time.subsec_millis() / 100)
}

/// Rows under their names, in columns, indented; numbers to the right.
fn columns(names: &[String], rows: &[Vec<String>]) -> Vec<String> {
    let numeric = |n: usize| !rows.is_empty() && rows.iter().all(|row| row.get(n).is_some_and(|it| is_number(it)));
    let width = |n: usize| {
        let cells = rows.iter().filter_map(|row| row.get(n)).chain(names.get(n));
        cells.map(|it| it.chars().count()).max().unwrap_or(0)
    };
    let shapes: Vec<(usize, bool)> = (0..names.len()).map(|n| (width(n), numeric(n))).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&shapes).map(|(cell, (width, numeric))| match numeric {
            true => format!("{cell:>width$}"),
            false => format!("{cell:width$}"),
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let names = styled(Style::Faint, &line(names));
    std::iter::once(names).chain(rows.iter().map(|it| line(it))).collect()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_digit() || matches!(it, '.' | ',' | '-'))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= EXAMPLE_MAX { text.to_owned() } else { text.chars().take(EXAMPLE_MAX - 1).chain(['…']).collect() }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// `12,345`
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n != 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_dead_letter_the_place_is_shown_that_is_wrong() {
        let shown = |path: &str, value: Option<&str>| {
            let value = value.map(str::to_owned);
            example(&Example { path: path.to_owned(), message: "in words".to_owned(), value })
        };
        assert_eq!(shown("/amount", Some(r#"{"amount":12.5}"#)), "amount: 12.5");
        assert_eq!(shown("/metadata/version", Some(r#"{"metadata":{"version":"2.0"}}"#)), r#"metadata.version: "2.0""#);
        assert_eq!(shown("/email", Some("{}")), "email: in words");
        assert_eq!(shown("", Some("oops")), "in words");
        assert_eq!(shown("", None), "in words");
    }

    #[test]
    fn numbers_are_written_in_groups_of_three() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }
}
