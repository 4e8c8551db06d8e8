//! What stands at the beginning of a datagram on UDP port 4500: ESP header, non-ESP marker, NAT keepalive.

/// The four octets in front of an IKE message on port 4500, RFC 3948 §2.2.
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// The only octet of a NAT-keepalive packet, RFC 3948 §2.3.
pub const KEEPALIVE: u8 = 0xff;

/// Octets of the ESP header: SPI and sequence number, RFC 4303 §2.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |               Security Parameters Index (SPI)                 |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Sequence Number                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |        initialisation vector, payload, padding (variable)     |
/// +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |               |  Pad Length   | Next Header   |      ICV      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub const HEADER_LEN: usize = 8;

/// The smallest SPI that a security association can have; 0 is the marker, 1 to 255 are reserved, RFC 4303 §2.1.
pub const FIRST_SPI: u32 = 256;

/// What a datagram on port 4500 carries.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Encapsulated<'a> {
    /// A NAT-keepalive packet: dropped without an answer, RFC 3948 §2.3.
    Keepalive,
    /// An IKE message, without the marker.
    Isakmp(&'a [u8]),
    /// An ESP packet with an SPI that an association can have.
    Esp,
    /// Neither: too short, or a reserved SPI.
    Junk,
}

/// Tells what a datagram on port 4500 carries, RFC 3948 §2.
pub fn classify(datagram: &[u8]) -> Encapsulated<'_> {
    let Some((first, rest)) = datagram.split_first_chunk::<4>() else {
        return if datagram == [KEEPALIVE] { Encapsulated::Keepalive } else { Encapsulated::Junk };
    };
    if *first == NON_ESP_MARKER {
        Encapsulated::Isakmp(rest)
    } else if u32::from_be_bytes(*first) < FIRST_SPI || datagram.len() <= HEADER_LEN {
        Encapsulated::Junk
    } else {
        Encapsulated::Esp
    }
}

/// The SPI of an ESP packet; `None` where the packet is too short for one.
pub fn spi_of(esp: &[u8]) -> Option<u32> {
    esp.first_chunk::<4>().map(|octets| u32::from_be_bytes(*octets))
}

/// The (low 32 bits of the) sequence number of an ESP packet; `None` where the packet is too short for one.
pub fn sequence_of(esp: &[u8]) -> Option<u32> {
    spi_of(esp.get(4..)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_octets_tell_keepalive_isakmp_and_esp_apart() {
        assert_eq!(classify(&[]), Encapsulated::Junk);
        assert_eq!(classify(&[0xff]), Encapsulated::Keepalive);
        assert_eq!(classify(&[0xfe]), Encapsulated::Junk);
        assert_eq!(classify(&[0xff, 0xff]), Encapsulated::Junk);
        assert_eq!(classify(&[0, 0, 0]), Encapsulated::Junk);
        assert_eq!(classify(&[0, 0, 0, 0]), Encapsulated::Isakmp(&[]));
        assert_eq!(classify(&[0, 0, 0, 0, 7, 8]), Encapsulated::Isakmp(&[7, 8]));
        assert_eq!(classify(&[0, 0, 0, 255, 0, 0, 0, 1, 9, 9]), Encapsulated::Junk, "reserved SPI");
        assert_eq!(classify(&[0, 0, 1, 0, 0, 0, 0, 1]), Encapsulated::Junk, "nothing behind the header");
        assert_eq!(classify(&[0, 0, 1, 0, 0, 0, 0, 1, 9]), Encapsulated::Esp);
    }

    #[test]
    fn spi_and_sequence_number_are_read_from_the_header() {
        let packet = [0x12, 0x34, 0x56, 0x78, 0, 0, 1, 2];
        assert_eq!(spi_of(&packet), Some(0x1234_5678));
        assert_eq!(sequence_of(&packet), Some(0x0102));
        assert_eq!(sequence_of(&packet[..7]), None);
        assert_eq!(spi_of(&packet[..3]), None);
    }
}
