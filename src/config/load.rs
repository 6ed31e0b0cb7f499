//! From flags, environment and file to settings: the first of them that names a setting gives it, and all mistakes are found at once.

use std::collections::BTreeMap;
use std::fmt;

use super::file;
use super::properties::{self, PassedThrough};
use super::settings::{Fallback, SETTINGS, Setting, Settings};
use super::value::Value;

/// Where settings come from; the first named wins.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// From the command line, in its order; a later one wins.
    pub flags: Vec<Flag>,
    /// The environment: all of it, names and values.
    pub environment: Vec<(String, String)>,
    /// The settings file, where there is one.
    pub file: Option<FileText>,
}

/// A setting given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as it was written, such as `--state-dir` or `--set`.
    pub flag: String,
    /// The setting's name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The text of a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileText {
    /// Its path, as it is to be shown.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// A mistake in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it was made.
    pub place: Place,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

/// Where a setting was given, in the order in which mistakes are shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In this file.
    File {
        /// The file's path.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
    },
    /// By this environment variable.
    Environment(String),
    /// By this flag.
    Flag(String),
    /// Nowhere: it is the default of this setting.
    Default(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Environment(variable) => write!(f, "{variable}"),
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Default(name) => write!(f, "default of {name}"),
        }
    }
}

/// A name and a text for it, and where they stand.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) place: Place,
}

/// Reads all settings.
///
/// # Errors
/// All mistakes: unknown names, values that can't be read or that are out of bounds, values that don't fit each other.
pub fn load(sources: &Sources) -> Result<Settings, Vec<Mistake>> {
    let mut texts = texts(sources);
    let settings = Settings::read(&mut texts);
    texts.compare(
        "commit.interval.ms",
        "transaction.timeout.ms",
        settings.as_ref().map(|it| it.commit_interval < it.transaction_timeout),
        "less than",
    );
    texts.compare(
        "session.timeout.ms",
        "max.poll.interval.ms",
        settings.as_ref().map(|it| it.session_timeout <= it.max_poll_interval),
        "at most",
    );
    match settings {
        Some(settings) if texts.mistakes.is_empty() => Ok(settings),
        _ => {
            texts.mistakes.sort_by(|a, b| a.place.cmp(&b.place));
            Err(texts.mistakes)
        }
    }
}

/// What the sources say, the strongest of them for each name.
pub(super) fn texts(sources: &Sources) -> Texts<'static> {
    let mut texts = Texts::default();
    // From the weakest source to the strongest, so that the last one stays. All are checked, also those that are overridden.
    let from_file = sources.file.as_ref().map(|it| file::read(it, &mut texts.mistakes)).unwrap_or_default();
    let from_environment = environment(&sources.environment, &mut texts.mistakes);
    let from_flags =
        sources.flags.iter().map(|it| Given { name: it.name.clone(), text: it.value.clone(), place: Place::Flag(it.flag.clone()) });
    for given in from_file.into_iter().chain(from_environment).chain(from_flags) {
        texts.take(given);
    }
    texts
}

/// The texts that are in force, and the mistakes found on the way.
#[derive(Default)]
pub(super) struct Texts<'a> {
    declared: BTreeMap<&'a str, Given>,
    passed_through: BTreeMap<String, Given>,
    mistakes: Vec<Mistake>,
}

impl Texts<'_> {
    /// Checks a text and, when it is good, puts it in the place of a weaker one.
    fn take(&mut self, given: Given) {
        let Some(setting) = SETTINGS.iter().find(|it| it.name == given.name) else { return self.take_property(given) };
        if let Err(why) = (setting.check)(&given.text).and_then(|()| setting.limits.check(&given.text)) {
            let reason = format!("{} = {:?} {why}", given.name, given.text);
            return self.mistakes.push(Mistake { place: given.place, reason, hint: value_hint(setting) });
        }
        self.declared.insert(setting.name, given);
    }

    fn take_property(&mut self, given: Given) {
        if let Some(instead) = properties::owned(&given.name) {
            let reason = format!("{} can't be set", given.name);
            return self.mistakes.push(Mistake { place: given.place, reason, hint: instead.to_owned() });
        }
        if !properties::is_passed_through(&given.name) {
            let reason = format!("there is no setting {:?}", given.name);
            return self.mistakes.push(Mistake { place: given.place, reason, hint: name_hint(&given.name) });
        }
        self.passed_through.insert(given.name.clone(), given);
    }

    /// What is said of a declared setting; `None`: nothing.
    pub(super) fn declared(&self, name: &str) -> Option<&Given> {
        self.declared.get(name)
    }

    /// The properties that are passed through, by name.
    pub(super) fn passed_through(&self) -> impl Iterator<Item = &Given> {
        self.passed_through.values()
    }

    /// The value in force; `None` after a mistake.
    pub(super) fn read<T: Value + FromUnset>(&mut self, name: &'static str, fallback: Fallback) -> Option<T> {
        let (text, place) = match (self.declared.get(name), fallback) {
            (Some(given), _) => (given.text.as_str(), given.place.clone()),
            (None, Fallback::Is(text)) => (text, Place::Default(name)),
            (None, Fallback::Unset(_)) => return T::unset(),
        };
        match T::parse(text) {
            Ok(value) => Some(value),
            Err(why) => {
                let mistake = Mistake { place, reason: format!("{name} = {text:?} {why}"), hint: "see the reference".to_owned() };
                self.mistakes.push(mistake);
                None
            }
        }
    }

    /// The properties of clients and topics; declared settings that are such properties are among them.
    pub(super) fn properties(&self) -> PassedThrough {
        let declared = SETTINGS.iter().filter(|it| properties::is_passed_through(it.name)).filter_map(|it| {
            match (self.declared.get(it.name), it.fallback) {
                (Some(given), _) => Some((it.name, given.text.as_str())),
                (None, Fallback::Is(text)) => Some((it.name, text)),
                (None, Fallback::Unset(_)) => None,
            }
        });
        properties::sort(declared.chain(self.passed_through.values().map(|it| (it.name.as_str(), it.text.as_str()))))
    }

    /// Reports that one setting does not fit another.
    fn compare(&mut self, name: &'static str, other: &'static str, holds: Option<bool>, relation: &str) {
        if holds == Some(false) {
            let given = self.declared.get(name).or_else(|| self.declared.get(other));
            self.mistakes.push(Mistake {
                place: given.map_or(Place::Default(name), |it| it.place.clone()),
                reason: format!("{name} must be {relation} {other}"),
                hint: format!("make {name} smaller or {other} greater"),
            });
        }
    }
}

/// What an unset setting is; only optional ones can be unset.
pub(super) trait FromUnset: Sized {
    /// The value for "nobody said".
    fn unset() -> Option<Self> {
        None
    }
}

impl FromUnset for String {}
impl FromUnset for std::path::PathBuf {}
impl FromUnset for bool {}
impl FromUnset for u64 {}
impl FromUnset for i32 {}
impl FromUnset for std::time::Duration {}
impl FromUnset for super::value::ProcessingGuarantee {}
impl FromUnset for super::value::OffsetReset {}
impl<T> FromUnset for Option<T> {
    fn unset() -> Option<Self> {
        Some(None)
    }
}

/// What the environment says. A variable that is nearly one of ours is a mistake; others that begin alike are not, since
/// Kubernetes sets some by itself (`GOYT_PORT`, `GOYT_SERVICE_HOST`).
fn environment(variables: &[(String, String)], mistakes: &mut Vec<Mistake>) -> Vec<Given> {
    let mut given = Vec::new();
    let mut names: Vec<_> = variables.iter().collect();
    names.sort();
    for (variable, text) in names {
        let declared = SETTINGS.iter().find(|it| it.environment() == *variable).map(|it| it.name.to_owned());
        if let Some(name) = declared.or_else(|| properties::from_environment(variable)) {
            given.push(Given { name, text: text.clone(), place: Place::Environment(variable.clone()) });
        } else if variable.starts_with("GOYT_")
            && let Some(near) = nearest(variable, SETTINGS.iter().map(Setting::environment), TYPO_MAX)
        {
            let place = Place::Environment(variable.clone());
            mistakes.push(Mistake { place, reason: "there is no such setting".to_owned(), hint: format!("did you mean {near}?") });
        }
    }
    given
}

/// The most letters to insert, drop, change or swap for a name to count as a slip for another.
const TYPO_MAX: usize = 2;

fn nearest(name: &str, known: impl Iterator<Item = String>, most: usize) -> Option<String> {
    known.map(|it| (strsim::damerau_levenshtein(name, &it), it)).filter(|(distance, _)| *distance <= most).min().map(|(_, it)| it)
}

fn name_hint(name: &str) -> String {
    match nearest(name, SETTINGS.iter().map(|it| it.name.to_owned()), 1 + name.len() / 4) {
        Some(near) => format!("did you mean {near}?"),
        None => "`goyt run --help` lists the settings; client properties begin with consumer., producer. or admin.".to_owned(),
    }
}

fn value_hint(setting: &Setting) -> String {
    match setting.fallback {
        Fallback::Is(text) => format!("{}; the default is {text}", setting.accepts()),
        Fallback::Unset(words) => format!("{}; by default {words}", setting.accepts()),
    }
}
