//! What a setting's value may be beyond its type.

/// What a value may be. Says itself in words, for errors and the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limits {
    /// Anything of its type.
    None,
    /// A number from the first to the second, both included.
    Between(i64, i64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// What may stand in the name of a Kafka topic, since it becomes part of one: the number is the most characters.
    Name(usize),
    /// `host:port`
    Address,
    /// `host:port`, several joined by commas.
    Addresses,
}

impl Limits {
    /// Whether the text keeps within the limits.
    ///
    /// # Errors
    /// Why not, to be read after the text itself.
    pub fn check(self, text: &str) -> Result<(), String> {
        let holds = match self {
            Self::None => true,
            // What is no number at all is for the type to say.
            Self::Between(least, most) => text.parse::<i128>().map_or(true, |it| i128::from(least) <= it && it <= i128::from(most)),
            Self::OneOf(words) => words.contains(&text),
            Self::Name(most) => {
                !text.is_empty() && text.len() <= most && text.chars().all(legal_in_topic) && text.chars().any(|it| it != '.')
            }
            Self::Address => address(text),
            Self::Addresses => text.split(',').all(|it| address(it.trim())),
        };
        if holds { Ok(()) } else { Err(format!("must be {}", self.words())) }
    }

    /// The limits in words; empty for [`Limits::None`].
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Between(least, i64::MAX) => format!("at least {least}"),
            Self::Between(least, most) => format!("from {least} to {most}"),
            Self::OneOf([only]) => format!("`{only}`"),
            Self::OneOf(words) => words.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(" or "),
            Self::Name(most) => format!("1 to {most} of letters, digits, `.`, `_` and `-`"),
            Self::Address => "host:port".to_owned(),
            Self::Addresses => "host:port, or several joined by commas".to_owned(),
        }
    }
}

fn legal_in_topic(it: char) -> bool {
    it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-')
}

/// Brokers may be named with a protocol in front, as librdkafka allows; an IPv6 address stands in brackets.
fn address(text: &str) -> bool {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let host_given = !host.is_empty() && !host.contains(char::is_whitespace);
        host_given && (!host.contains(':') || host.starts_with('[') && host.ends_with(']')) && port.parse::<u16>().is_ok()
    })
}
