//! The corpus: named classes of bad input, each with what must become of it. Seeds of the fuzz targets, too.

pub mod others;
pub mod records;

/// An input of a named class.
#[derive(Debug, Clone)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// The bytes; `None`: a record without a value.
    pub bytes: Option<Vec<u8>>,
    /// What becomes of it, in the words of its table.
    pub becomes: String,
}

/// A class.
pub fn class(name: impl Into<String>, bytes: impl Into<Vec<u8>>, becomes: impl Into<String>) -> Class {
    Class { name: name.into(), bytes: Some(bytes.into()), becomes: becomes.into() }
}
