//! A cursor that cannot run past the end, and its twin that writes.

use crate::error::{Error, Why};

/// A cursor over received bytes; every read names its field, and a read past the end is an [`Error`].
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    layer: &'static str,
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `bytes`; `layer` is the format's name in errors.
    pub fn new(layer: &'static str, bytes: &'a [u8]) -> Self {
        Self { layer, rest: bytes, offset: 0 }
    }

    /// Reads `count` octets.
    pub fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], Error> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.error(field, Why::Truncated));
        };
        self.rest = rest;
        self.offset = self.offset.saturating_add(count);
        Ok(taken)
    }

    /// Reads an array of `N` octets.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Error> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.error(field, Why::Truncated));
        };
        self.rest = rest;
        self.offset = self.offset.saturating_add(N);
        Ok(*taken)
    }

    /// Reads one octet.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, Error> {
        self.array(field).map(u8::from_be_bytes)
    }

    /// Reads two octets in network order.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, Error> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Reads four octets in network order.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, Error> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// Reads eight octets in network order.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, Error> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// The octets not yet read; the reader stays where it is.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many octets are not yet read.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many octets have been read.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// An error about `field` at the reader's place.
    pub fn error(&self, field: &'static str, why: Why) -> Error {
        Error { layer: self.layer, field, offset: self.offset, why }
    }
}

/// A growing message; the twin of [`Reader`].
#[derive(Clone, Default, Eq, PartialEq, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes one octet.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Writes two octets in network order.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes four octets in network order.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes eight octets in network order.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes the octets as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How many octets have been written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Overwrites two octets at `at`; nothing happens where the message is too short.
    pub fn patch_u16(&mut self, at: usize, value: u16) {
        self.patch(at, &value.to_be_bytes());
    }

    /// Overwrites four octets at `at`; nothing happens where the message is too short.
    pub fn patch_u32(&mut self, at: usize, value: u32) {
        self.patch(at, &value.to_be_bytes());
    }

    fn patch(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = at.checked_add(value.len()).and_then(|end| self.bytes.get_mut(at..end)) {
            place.copy_from_slice(value);
        }
    }

    /// The finished message.
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes
    }
}

/// The length of something whose field has 16 bits; more is written as the largest value.
pub(crate) fn length_u16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// As much of `bytes` as a field that counts to `limit` can tell.
pub(crate) fn at_most(bytes: &[u8], limit: usize) -> &[u8] {
    bytes.get(..limit).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reading_past_the_end_names_layer_field_and_offset() {
        let mut reader = Reader::new("test", &[1, 2, 3, 4]);
        assert_eq!(reader.u16("first"), Ok(0x0102));
        let error = reader.u32("second").unwrap_err();
        assert_eq!(error, Error { layer: "test", field: "second", offset: 2, why: Why::Truncated });
        assert_eq!(reader.rest(), &[3, 4], "a failed read takes nothing");
    }

    #[test]
    fn what_was_written_is_read_back() {
        let mut writer = Writer::new();
        writer.u8(1);
        writer.u16(2);
        writer.u32(3);
        writer.u64(4);
        writer.bytes(b"five");
        writer.patch_u16(1, 0x0202);
        writer.patch_u32(3, 0x0303_0303);
        writer.patch_u32(usize::MAX, 1);
        writer.patch_u16(18, 1);
        assert_eq!(writer.len(), 19);
        let bytes = writer.into_vec();
        let mut reader = Reader::new("test", &bytes);
        assert_eq!(reader.u8("a"), Ok(1));
        assert_eq!(reader.u16("b"), Ok(0x0202));
        assert_eq!(reader.u32("c"), Ok(0x0303_0303));
        assert_eq!(reader.u64("d"), Ok(4));
        assert_eq!(reader.offset(), 15);
        assert_eq!(reader.take(4, "e"), Ok(&b"five"[..]));
        assert!(reader.is_empty());
    }
}
