//! The name of a decky.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name in bytes, after `amount` expansion.
pub(super) const MAX_NAME: usize = 128;

/// A decky's name: 1 to 128 of `A-Z a-z 0-9 . _ -`.
///
/// Names are the operator's handles. They never appear on the wire; the hostname may.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeckyName(String);

/// Why a text is no decky name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a decky name cannot be empty")]
    Empty,
    /// Over [`MAX_NAME`] bytes.
    #[error("a decky name has at most {MAX_NAME} characters, this one has {0}")]
    TooLong(usize),
    /// A character outside the set.
    #[error("a decky name is made of letters, digits, `.`, `_` and `-`, not {0:?}")]
    BadChar(char),
}

impl DeckyName {
    /// A name that stands in until the right one is known.
    pub(crate) fn placeholder() -> Self {
        Self("x".to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeckyName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(bad) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        {
            return Err(NameError::BadChar(bad));
        }
        if text.len() > MAX_NAME {
            return Err(NameError::TooLong(text.len()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for DeckyName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<DeckyName> for String {
    fn from(name: DeckyName) -> Self {
        name.0
    }
}

impl fmt::Display for DeckyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for DeckyName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for DeckyName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_set_and_refuses_the_rest() {
        for good in ["web-01", "A", "a.b_c-9", &"x".repeat(128)] {
            assert_eq!(good.parse::<DeckyName>().unwrap().as_str(), good);
        }
        assert_eq!("".parse::<DeckyName>(), Err(NameError::Empty));
        assert_eq!("a b".parse::<DeckyName>(), Err(NameError::BadChar(' ')));
        assert_eq!("é".parse::<DeckyName>(), Err(NameError::BadChar('é')));
        assert_eq!("x".repeat(129).parse::<DeckyName>(), Err(NameError::TooLong(129)));
    }
}
