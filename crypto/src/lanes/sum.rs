//! The sum of the Internet checksum over long pieces (RFC 1071), in vector registers: every octet of a TCP segment goes
//! through it once.

use super::Units;

/// A cache line, as which long pieces are added up.
pub(super) type Line = [u8; 64];

/// Lines after which no sum of 32 bits has overflowed: each adds 2^16 to it at most, or takes as much.
const MOST: usize = 1 << 13;

/// The sum of 16-bit words as they lie in memory, not folded; an odd last octet counts as if a zero followed.
///
/// Good for 2^31 octets.
#[must_use]
#[inline]
pub fn sum_of(bytes: &[u8]) -> u64 {
    let (lines, rest) = bytes.as_chunks();
    if lines.is_empty() { sum_of_rest(rest) } else { sum_of_lines(lines) + sum_of_rest(rest) }
}

/// Copies octets, and gives the sum of the same words.
///
/// # Panics
///
/// If `to` and `from` are not of one length.
#[must_use]
pub fn sum_copied(to: &mut [u8], from: &[u8]) -> u64 {
    assert_eq!(to.len(), from.len(), "what is copied has as much room as it takes");
    let ((to, to_rest), (from, rest)) = (to.as_chunks_mut(), from.as_chunks());
    to_rest.copy_from_slice(rest);
    let units = Units::in_use();
    let mut sum = sum_of_rest(rest);
    for (to, from) in to.chunks_mut(MOST).zip(from.chunks(MOST)) {
        sum += match units {
            Units { avx512: Some(unit), .. } => unit.sum_copied(to, from),
            Units { avx2: Some(unit), .. } => unit.sum_copied(to, from),
            _ => {
                to.copy_from_slice(from);
                one_by_one(from)
            }
        };
    }
    sum
}

fn sum_of_lines(lines: &[Line]) -> u64 {
    let units = Units::in_use();
    let sum = |lines: &[Line]| match units {
        Units { avx512: Some(unit), .. } => unit.sum_of(lines),
        Units { avx2: Some(unit), .. } => unit.sum_of(lines),
        _ => one_by_one(lines),
    };
    if lines.len() <= MOST {
        return sum(lines);
    }
    lines.chunks(MOST).map(sum).sum()
}

/// Less than a line.
#[inline]
fn sum_of_rest(rest: &[u8]) -> u64 {
    let (words, rest) = rest.as_chunks::<4>();
    let mut sum = 0;
    for word in words {
        sum += u64::from(u32::from_ne_bytes(*word));
    }
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    sum + u64::from(u32::from_ne_bytes(last))
}

/// With carries, on any processor.
fn one_by_one(lines: &[Line]) -> u64 {
    // Two sums of carries that do not wait for each other; a carry out of the highest bit counts as one.
    let mut sums = [0_u64; 2];
    for line in lines {
        let (halves, _) = line.as_chunks::<32>();
        for (sum, half) in sums.iter_mut().zip(halves) {
            let mut carry = false;
            for word in half.as_chunks::<8>().0 {
                (*sum, carry) = sum.carrying_add(u64::from_ne_bytes(*word), carry);
            }
            let (whole, over) = sum.overflowing_add(u64::from(carry));
            *sum = whole + u64::from(over);
        }
    }
    sums.iter().map(|sum| (sum & 0xffff_ffff) + (sum >> 32)).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::Level;
    use super::*;

    fn folded(mut sum: u64) -> u64 {
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum
    }

    type Way = (&'static str, fn(&[Line]) -> u64);

    /// Each way to add up whole lines, by its name.
    fn ways() -> Vec<Way> {
        let mut ways: Vec<Way> = vec![("portable", one_by_one)];
        let all = Units::up_to(Level::Avx512);
        if all.avx2.is_some() {
            ways.push(("avx2", |lines| Units::up_to(Level::AesNi).avx2.unwrap().sum_of(lines)));
        }
        if all.avx512.is_some() {
            ways.push(("avx512", |lines| Units::up_to(Level::Avx512).avx512.unwrap().sum_of(lines)));
        }
        ways
    }

    #[test]
    fn every_unit_adds_up_the_same_at_any_place_and_length() {
        let octets: Vec<u8> = (0..9000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for start in 0..70 {
            for count in [0, 1, 2, 3, 21, 22, 100] {
                let lines = octets[start..].as_chunks().0.get(..count).unwrap();
                let slow: u64 =
                    lines.as_flattened().as_chunks().0.iter().map(|word| u64::from(u16::from_ne_bytes(*word))).sum();
                for (name, way) in ways() {
                    assert_eq!(folded(way(lines)), folded(slow), "{name}, {count} lines from {start} on");
                }
            }
        }
    }

    #[test]
    fn every_length_is_added_up_to_its_end_and_copied_whole_or_not() {
        let from: Vec<u8> = (0..1500_u32).map(|n| (n * 7 % 251) as u8).collect();
        for length in (0..200).chain([1359, 1360, 1361, 1500]) {
            let from = &from[..length];
            let words = from.chunks(2).map(|pair| u64::from(u16::from_ne_bytes([pair[0], *pair.get(1).unwrap_or(&0)])));
            let slow = folded(words.sum());
            assert_eq!(folded(sum_of(from)), slow, "{length}");
            let mut to = vec![0xee; 1600];
            assert_eq!(folded(sum_copied(&mut to[3..3 + length], from)), slow, "{length}");
            assert_eq!(&to[3..3 + length], from);
            assert!(to[..3].iter().chain(&to[3 + length..]).all(|octet| *octet == 0xee), "{length}");
        }
    }

    #[test]
    fn as_many_ones_or_zeros_as_a_sum_may_take_do_not_overflow_it() {
        for (name, way) in ways() {
            // 32 words in each line.
            assert_eq!(folded(way(&vec![[0xff; 64]; MOST])), folded(MOST as u64 * 32 * 0xffff), "{name}");
            assert_eq!(folded(way(&vec![[0; 64]; MOST])), 0, "{name}");
        }
        assert_eq!(folded(sum_of(&vec![0xff; (MOST + 1) * 64])), 0xffff);
    }
}
