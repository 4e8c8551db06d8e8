//! What could not be read: layer, field, offset, and why.

use core::fmt;

/// A message that cannot be read, with the place where reading stopped.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Error {
    /// The format that was being read, for example `ISAKMP header`.
    pub layer: &'static str,
    /// The field within it, for example `length`.
    pub field: &'static str,
    /// Octets from the beginning of the bytes given to that layer.
    pub offset: usize,
    /// What is wrong with the field.
    pub why: Why,
}

/// The reason why a field cannot be read.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Why {
    /// The bytes end before the field does.
    Truncated,
    /// The field tells a length that cannot be.
    Length(usize),
    /// The field's value is not possible here.
    Value(u64),
    /// The list is longer than this many entries.
    TooMany(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be read at octet {}: {} ", self.layer, self.offset, self.field)?;
        match self.why {
            Why::Truncated => write!(f, "is cut off"),
            Why::Length(length) => write!(f, "of {length} octets is impossible"),
            Why::Value(value) => write!(f, "has the impossible value {value}"),
            Why::TooMany(limit) => write!(f, "has more than {limit} entries"),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence() {
        let error = Error { layer: "L2TP header", field: "tunnel id", offset: 4, why: Why::Truncated };
        assert_eq!(error.to_string(), "L2TP header cannot be read at octet 4: tunnel id is cut off");
        let error = Error { why: Why::Length(3), field: "length", ..error };
        assert_eq!(error.to_string(), "L2TP header cannot be read at octet 4: length of 3 octets is impossible");
    }
}
