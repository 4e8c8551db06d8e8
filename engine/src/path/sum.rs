//! The Internet checksum as a running sum, for headers that are built piece by piece (RFC 1071).

/// A ones' complement sum that has not been folded yet.
///
/// Every piece but the last must have an even length. Words are summed as they lie in memory: the sum does not depend on
/// the order of octets (RFC 1071 §2), so the result is stored with [`u16::to_ne_bytes`].
#[derive(Clone, Copy, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// Adds octets; an odd last one counts as if a zero followed.
    #[must_use]
    #[inline]
    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        Self(self.0 + crypto::lanes::sum_of(bytes))
    }

    /// Adds octets while they are copied to a place of the same length.
    #[must_use]
    pub(super) fn copied(self, to: &mut [u8], from: &[u8]) -> Self {
        Self(self.0 + crypto::lanes::sum_copied(to, from))
    }

    /// Adds what another sum has come to, over an even number of octets before it.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Adds a number that would stand in network order.
    #[must_use]
    pub(super) fn word(self, word: u16) -> Self {
        Self(self.0 + u64::from(word.to_be()))
    }

    /// The sum in 16 bits, not complemented; its memory order is that of the packet.
    #[must_use]
    pub(super) fn folded(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    /// The checksum as octets for the packet.
    #[must_use]
    pub(super) fn checksum(self) -> [u8; 2] {
        (!self.folded()).to_ne_bytes()
    }
}

/// The sum over the pseudo-header of the IPv4 packet whose header `ip` begins with (RFC 9293 §3.1, RFC 768).
#[must_use]
pub(super) fn pseudo_ipv4(ip: &[u8], protocol: u8, length: usize) -> Sum {
    let addresses = ip.get(12..20).unwrap_or_default();
    Sum::default().bytes(addresses).word(u16::from(protocol)).word(length as u16)
}

/// The sum over the pseudo-header of the IPv6 packet whose header `ip` begins with (RFC 8200 §8.1).
#[must_use]
pub(super) fn pseudo_ipv6(ip: &[u8], protocol: u8, length: usize) -> Sum {
    let addresses = ip.get(8..40).unwrap_or_default();
    Sum::default().bytes(addresses).word(u16::from(protocol)).word((length >> 16) as u16).word(length as u16)
}

/// Stores octets at `at`, if there is room.
pub(super) fn put<const N: usize>(out: &mut [u8], at: usize, octets: [u8; N]) {
    if let Some(place) = out.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<N>()) {
        *place = octets;
    }
}

/// The 16-bit number at `at` in network order; 0 beyond the end.
#[must_use]
pub(super) fn word_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()).map_or(0, |two| u16::from_be_bytes(*two))
}

/// The 32-bit number at `at` in network order; 0 beyond the end.
#[must_use]
pub(super) fn long_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |four| u32::from_be_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071_comes_out_for_every_length() {
        let octets: Vec<u8> = (0..=255u8).map(|i| i.wrapping_mul(151).wrapping_add(3)).collect();
        for n in 0..octets.len() {
            let mut slow = 0u32;
            for pair in octets[..n].chunks(2) {
                slow += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            }
            while slow > 0xffff {
                slow = (slow & 0xffff) + (slow >> 16);
            }
            assert_eq!(Sum::default().bytes(&octets[..n]).checksum(), (!(slow as u16)).to_be_bytes(), "{n} octets");
        }
        // Carries out of every word: all ones are as good as nothing, and one more is one.
        let mut ones = [0xff; 256];
        assert_eq!(Sum::default().bytes(&ones).folded(), 0xffff);
        ones[254..].copy_from_slice(&[0, 1]);
        assert_eq!(Sum::default().bytes(&ones).folded().to_ne_bytes(), [0, 1]);
        let example = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().bytes(&example).folded().to_ne_bytes(), [0xdd, 0xf2]);
    }
}
