//! Likely slips of somebody who types a pre-shared key: what the log can say beyond "wrong".

use core::fmt;
use crypto::Secret;

/// How a typed key differs from the one that was meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slip {
    /// A blank or a line's end before or behind it.
    Blank,
    /// Upper and lower case.
    Case,
    /// Quotation marks around it.
    Quotes,
}

impl fmt::Display for Slip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blank => "one of the two has a blank or a line end too many at an end",
            Self::Case => "upper and lower case differ",
            Self::Quotes => "one of the two has quotation marks around it",
        })
    }
}

/// Keys that are a slip away from `key`, a dozen at most.
pub(super) fn near(key: &[u8]) -> Vec<(Slip, Secret<Vec<u8>>)> {
    let mut all: Vec<(Slip, Vec<u8>)> = vec![];
    for end in [&b" "[..], b"\n", b"\r\n"] {
        all.push((Slip::Blank, [key, end].concat()));
    }
    all.push((Slip::Blank, [b" ", key].concat()));
    all.push((Slip::Blank, key.trim_ascii().to_vec()));
    all.push((Slip::Case, key.to_ascii_lowercase()));
    all.push((Slip::Case, key.to_ascii_uppercase()));
    all.push((Slip::Case, key.iter().map(|b| swapped(*b)).collect()));
    if let Some((first, rest)) = key.split_first() {
        all.push((Slip::Case, [&[swapped(*first)], rest].concat()));
    }
    for mark in [b"\"", b"'"] {
        all.push((Slip::Quotes, [&mark[..], key, mark].concat()));
        if let Some(bare) = key.strip_prefix(mark).and_then(|k| k.strip_suffix(mark)) {
            all.push((Slip::Quotes, bare.to_vec()));
        }
    }
    all.into_iter().filter(|(_, k)| k != key).map(|(slip, k)| (slip, Secret::new(k))).collect()
}

/// A letter in the other case.
fn swapped(b: u8) -> u8 {
    if b.is_ascii_lowercase() { b.to_ascii_uppercase() } else { b.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slips_of_a_key_are_named() {
        let named = |typed: &[u8], meant: &[u8]| {
            near(meant).into_iter().find(|(_, k)| k.expose().as_slice() == typed).map(|(slip, _)| slip)
        };
        assert_eq!(named(b"Key1 ", b"Key1"), Some(Slip::Blank));
        assert_eq!(named(b"Key1", b"Key1 "), Some(Slip::Blank));
        assert_eq!(named(b"key1", b"Key1"), Some(Slip::Case));
        assert_eq!(named(b"kEY1", b"Key1"), Some(Slip::Case));
        assert_eq!(named(b"\"Key1\"", b"Key1"), Some(Slip::Quotes));
        assert_eq!(named(b"Key2", b"Key1"), None);
    }
}
