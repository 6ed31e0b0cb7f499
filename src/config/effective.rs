//! The settings in force, each with where it comes from; what must not be read by others is masked.

use super::load::{Mistake, Place, Sources, texts};
use super::settings::{Fallback, SETTINGS};

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its name.
    pub name: String,
    /// Its value; `None`: nobody says, and there is none.
    pub value: Option<String>,
    /// What happens then, in words.
    pub unset: Option<&'static str>,
    /// Where it comes from.
    pub place: Place,
}

impl Effective {
    /// The value as it may be shown.
    #[must_use]
    pub fn shown(&self) -> Option<&str> {
        self.value.as_deref().map(|it| if is_secret(&self.name) { MASK } else { it })
    }
}

/// Stands for a secret.
const MASK: &str = "********";
/// Names with one of these parts hold secrets.
const SECRETS: [&str; 6] = ["password", "secret", "token", "sasl.jaas", "ssl.key", "oauthbearer.config"];
/// But for names that end so: they say where the secret is.
const WHERE: [&str; 3] = [".file", ".location", ".url"];

/// Whether a setting of this name holds a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|it| name.contains(it)) && !WHERE.iter().any(|it| name.ends_with(it))
}

/// All settings: the declared ones in the order of the reference, then the properties that are passed through, by name.
///
/// # Errors
/// All mistakes in them.
pub fn effective(sources: &Sources) -> Result<Vec<Effective>, Vec<Mistake>> {
    super::load(sources)?;
    let texts = texts(sources);
    let declared = SETTINGS.iter().map(|setting| match (texts.declared(setting.name), setting.fallback) {
        (Some(given), _) => {
            Effective { name: given.name.clone(), value: Some(given.text.clone()), unset: None, place: given.place.clone() }
        }
        (None, Fallback::Is(text)) => {
            Effective { name: setting.name.into(), value: Some(text.into()), unset: None, place: Place::Default(setting.name) }
        }
        (None, Fallback::Unset(words)) => {
            Effective { name: setting.name.into(), value: None, unset: Some(words), place: Place::Default(setting.name) }
        }
    });
    let passed = texts.passed_through();
    let passed = passed.map(|it| Effective { name: it.name.clone(), value: Some(it.text.clone()), unset: None, place: it.place.clone() });
    Ok(declared.chain(passed).collect())
}
