//! Options of the command line: `--name value`.

use std::collections::BTreeMap;
use std::str::FromStr;

/// What was given.
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// Reads `--name value` pairs; a name without a value is a switch.
    pub fn read(arguments: impl Iterator<Item = String>) -> Self {
        let (mut options, mut name) = (BTreeMap::new(), None::<String>);
        for argument in arguments {
            match argument.strip_prefix("--") {
                Some(next) => {
                    options.insert(next.to_owned(), String::new());
                    name = Some(next.to_owned());
                }
                None => drop(options.insert(name.take().expect("--name before a value"), argument)),
            }
        }
        Self(options)
    }

    /// Whether it was given.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// An option that has a default.
    pub fn or<T: FromStr>(&self, name: &str, default: T) -> T {
        self.0.get(name).map_or(default, |it| it.parse().unwrap_or_else(|_| panic!("--{name} {it}: not what it takes")))
    }

    /// An option that must be there.
    pub fn need<T: FromStr>(&self, name: &str) -> T {
        let text = self.0.get(name).unwrap_or_else(|| panic!("--{name} is missing"));
        text.parse().unwrap_or_else(|_| panic!("--{name} {text}: not what it takes"))
    }

    /// Names joined by commas.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.0.get(name).map(|it| it.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect()).unwrap_or_default()
    }
}
