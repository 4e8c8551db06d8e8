//! The names, numbers and lengths of ESP's transforms, and which of them make a suite.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{HEADER, TRAILER};
use crate::IkeCipher;

/// The octets of salt or nonce behind the key of a counter mode (RFC 4106 §8.1, RFC 3686 §5.1).
pub(super) const SALT: usize = 4;

/// The octets of the initialisation vector of a counter mode (RFC 4106 §3.1, RFC 3686 §3.1).
pub(super) const COUNTER_IV: usize = 8;

/// The octets of the ICV of AES-GCM with transform 20 (RFC 4106 §8.3).
pub(super) const GCM_ICV: usize = 16;

/// An ESP encryption transform.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
pub enum EspCipher {
    /// No encryption (RFC 2410).
    Null,
    /// 3DES-EDE-CBC (RFC 2451); parity bits are ignored.
    TripleDes,
    /// AES-CBC with 128 bits of key (RFC 3602).
    Aes128,
    /// AES-CBC with 192 bits of key (RFC 3602).
    Aes192,
    /// AES-CBC with 256 bits of key (RFC 3602).
    Aes256,
    /// AES-CTR with 128 bits of key (RFC 3686).
    Aes128Ctr,
    /// AES-CTR with 192 bits of key (RFC 3686).
    Aes192Ctr,
    /// AES-CTR with 256 bits of key (RFC 3686).
    Aes256Ctr,
    /// AES-GCM with 128 bits of key and an ICV of 16 octets (RFC 4106).
    Aes128Gcm,
    /// AES-GCM with 192 bits of key and an ICV of 16 octets (RFC 4106).
    Aes192Gcm,
    /// AES-GCM with 256 bits of key and an ICV of 16 octets (RFC 4106).
    Aes256Gcm,
}

impl EspCipher {
    /// Names the cipher of an ESP transform identifier and its key length attribute, in bits.
    ///
    /// 3 is 3DES, 11 is NULL (RFC 2407 §4.4.4), 12 is AES-CBC (RFC 3602 §5.2), 13 is AES-CTR (RFC 3686 §5.3), 20 is
    /// AES-GCM with an ICV of 16 octets (RFC 4106 §8.3). AES needs the key length (RFC 3602 §5.3). DES (2) is not offered.
    #[must_use]
    pub const fn from_ike(transform: u8, key_bits: Option<u16>) -> Option<Self> {
        match (transform, key_bits) {
            (3, None | Some(192)) => Some(Self::TripleDes),
            (11, None) => Some(Self::Null),
            (12, Some(128)) => Some(Self::Aes128),
            (12, Some(192)) => Some(Self::Aes192),
            (12, Some(256)) => Some(Self::Aes256),
            (13, Some(128)) => Some(Self::Aes128Ctr),
            (13, Some(192)) => Some(Self::Aes192Ctr),
            (13, Some(256)) => Some(Self::Aes256Ctr),
            (20, Some(128)) => Some(Self::Aes128Gcm),
            (20, Some(192)) => Some(Self::Aes192Gcm),
            (20, Some(256)) => Some(Self::Aes256Gcm),
            _ => None,
        }
    }

    /// The ESP transform identifier.
    #[must_use]
    pub const fn to_ike(self) -> u8 {
        match self {
            Self::TripleDes => 3,
            Self::Null => 11,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 12,
            Self::Aes128Ctr | Self::Aes192Ctr | Self::Aes256Ctr => 13,
            Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm => 20,
        }
    }

    /// Whether it authenticates as well, so that no authentication transform goes with it.
    #[must_use]
    pub const fn authenticates(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm)
    }

    /// The length of what it takes of KEYMAT, in octets: its key, and in a counter mode the salt behind it.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Null => 0,
            Self::Aes128 => 16,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes256 => 32,
            Self::Aes128Ctr | Self::Aes128Gcm => 16 + SALT,
            Self::Aes192Ctr | Self::Aes192Gcm => 24 + SALT,
            Self::Aes256Ctr | Self::Aes256Gcm => 32 + SALT,
        }
    }

    /// The length of the initialisation vector that goes with every packet, in octets.
    #[must_use]
    pub const fn iv_len(self) -> usize {
        match (self.block_cipher(), self) {
            (Some(cipher), _) => cipher.block_len(),
            (None, Self::Null) => 0,
            (None, _) => COUNTER_IV,
        }
    }

    /// Of how many octets payload and trailer are made a multiple: the block, and four without one (RFC 4303 §2.4).
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self.block_cipher() {
            Some(cipher) => cipher.block_len(),
            None => 4,
        }
    }

    /// The cipher run in CBC mode, if it is one.
    pub(super) const fn block_cipher(self) -> Option<IkeCipher> {
        match self {
            Self::TripleDes => Some(IkeCipher::TripleDes),
            Self::Aes128 => Some(IkeCipher::Aes128),
            Self::Aes192 => Some(IkeCipher::Aes192),
            Self::Aes256 => Some(IkeCipher::Aes256),
            Self::Null
            | Self::Aes128Ctr
            | Self::Aes192Ctr
            | Self::Aes256Ctr
            | Self::Aes128Gcm
            | Self::Aes192Gcm
            | Self::Aes256Gcm => None,
        }
    }
}

/// An ESP integrity transform, named by hash and bits of ICV.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
pub enum EspAuth {
    /// HMAC-MD5-96 (RFC 2403).
    HmacMd5_96,
    /// HMAC-SHA-1-96 (RFC 2404).
    HmacSha1_96,
    /// HMAC-SHA-256-128 (RFC 4868).
    HmacSha256_128,
    /// HMAC-SHA-256 cut to 96 bits, as kernels did by an early draft of RFC 4868; it has no number of its own.
    HmacSha256_96,
    /// HMAC-SHA-384-192 (RFC 4868).
    HmacSha384_192,
    /// HMAC-SHA-512-256 (RFC 4868).
    HmacSha512_256,
    /// None of its own: the cipher authenticates.
    None,
}

impl EspAuth {
    /// Names the transform of an authentication algorithm attribute's value (RFC 2407 §4.5, RFC 4868 §4).
    #[must_use]
    pub const fn from_ike(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::HmacMd5_96),
            2 => Some(Self::HmacSha1_96),
            5 => Some(Self::HmacSha256_128),
            6 => Some(Self::HmacSha384_192),
            7 => Some(Self::HmacSha512_256),
            _ => None,
        }
    }

    /// The length of the key, in octets: that of the digest (RFC 4868 §2.1.1).
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::HmacMd5_96 => 16,
            Self::HmacSha1_96 => 20,
            Self::HmacSha256_128 | Self::HmacSha256_96 => 32,
            Self::HmacSha384_192 => 48,
            Self::HmacSha512_256 => 64,
            Self::None => 0,
        }
    }

    /// The length of the ICV it makes, in octets; that of a packet is [`Suite::icv_len`].
    #[must_use]
    pub const fn icv_len(self) -> usize {
        match self {
            Self::HmacMd5_96 | Self::HmacSha1_96 | Self::HmacSha256_96 => 12,
            Self::HmacSha256_128 => 16,
            Self::HmacSha384_192 => 24,
            Self::HmacSha512_256 => 32,
            Self::None => 0,
        }
    }
}

/// The transforms of an ESP SA.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
pub struct Suite {
    /// How the payload is encrypted.
    pub cipher: EspCipher,
    /// How the packet is authenticated.
    pub auth: EspAuth,
}

impl Suite {
    /// Names the suite of an ESP transform: its identifier, key length in bits and authentication algorithm.
    ///
    /// A cipher that authenticates goes without an authentication algorithm (RFC 8221 §4); 0, a reserved value that
    /// says as much, is taken for none. Every other needs one.
    #[must_use]
    pub const fn from_ike(transform: u8, key_bits: Option<u16>, auth: Option<u16>) -> Option<Self> {
        let Some(cipher) = EspCipher::from_ike(transform, key_bits) else {
            return None;
        };
        let auth = match auth {
            None | Some(0) => EspAuth::None,
            Some(number) => match EspAuth::from_ike(number) {
                Some(auth) => auth,
                None => return None,
            },
        };
        let suite = Self { cipher, auth };
        if suite.is_sound() { Some(suite) } else { None }
    }

    /// The same with the ICV of HMAC-SHA-256 cut to 96 bits; `None` if that is not how it authenticates.
    #[must_use]
    pub const fn shortened(self) -> Option<Self> {
        match self.auth {
            EspAuth::HmacSha256_128 => Some(Self { cipher: self.cipher, auth: EspAuth::HmacSha256_96 }),
            EspAuth::HmacMd5_96
            | EspAuth::HmacSha1_96
            | EspAuth::HmacSha256_96
            | EspAuth::HmacSha384_192
            | EspAuth::HmacSha512_256
            | EspAuth::None => None,
        }
    }

    /// Whether packets are authenticated, and once.
    #[must_use]
    pub const fn is_sound(self) -> bool {
        self.cipher.authenticates() == matches!(self.auth, EspAuth::None)
    }

    /// How many octets of KEYMAT an SA takes (RFC 2409 §5.5).
    #[must_use]
    pub const fn key_material_len(self) -> usize {
        self.cipher.key_len() + self.auth.key_len()
    }

    /// The length of the ICV at the end of a packet, in octets.
    #[must_use]
    pub const fn icv_len(self) -> usize {
        if self.cipher.authenticates() { GCM_ICV } else { self.auth.icv_len() }
    }

    /// Where the payload begins in a packet, in octets from the SPI.
    #[must_use]
    pub const fn payload_offset(self) -> usize {
        HEADER + self.cipher.iv_len()
    }

    /// The length of a packet from SPI to ICV that carries so many octets of payload.
    #[must_use]
    pub const fn padded_len(self, payload_len: usize) -> usize {
        let inner = (payload_len + TRAILER).next_multiple_of(self.cipher.block_len());
        self.payload_offset() + inner + self.icv_len()
    }

    /// The most octets of payload a packet can carry that is no longer than `packet_len` from SPI to ICV.
    #[must_use]
    pub const fn max_payload(self, packet_len: usize) -> usize {
        let inner = packet_len.saturating_sub(self.payload_offset() + self.icv_len());
        (inner - inner % self.cipher.block_len()).saturating_sub(TRAILER)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cipher {
            EspCipher::Null => "NULL",
            EspCipher::TripleDes => "3DES-CBC",
            EspCipher::Aes128 => "AES-CBC-128",
            EspCipher::Aes192 => "AES-CBC-192",
            EspCipher::Aes256 => "AES-CBC-256",
            EspCipher::Aes128Ctr => "AES-CTR-128",
            EspCipher::Aes192Ctr => "AES-CTR-192",
            EspCipher::Aes256Ctr => "AES-CTR-256",
            EspCipher::Aes128Gcm => "AES-GCM-128",
            EspCipher::Aes192Gcm => "AES-GCM-192",
            EspCipher::Aes256Gcm => "AES-GCM-256",
        })?;
        f.write_str(match self.auth {
            EspAuth::HmacMd5_96 => " HMAC-MD5-96",
            EspAuth::HmacSha1_96 => " HMAC-SHA-1-96",
            EspAuth::HmacSha256_128 => " HMAC-SHA-256-128",
            EspAuth::HmacSha256_96 => " HMAC-SHA-256-96",
            EspAuth::HmacSha384_192 => " HMAC-SHA-384-192",
            EspAuth::HmacSha512_256 => " HMAC-SHA-512-256",
            EspAuth::None => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_values_name_transforms() {
        for (transform, bits, cipher) in [
            (3, None, EspCipher::TripleDes),
            (11, None, EspCipher::Null),
            (12, Some(128), EspCipher::Aes128),
            (12, Some(192), EspCipher::Aes192),
            (12, Some(256), EspCipher::Aes256),
            (13, Some(128), EspCipher::Aes128Ctr),
            (13, Some(192), EspCipher::Aes192Ctr),
            (13, Some(256), EspCipher::Aes256Ctr),
            (20, Some(128), EspCipher::Aes128Gcm),
            (20, Some(192), EspCipher::Aes192Gcm),
            (20, Some(256), EspCipher::Aes256Gcm),
        ] {
            assert_eq!(EspCipher::from_ike(transform, bits), Some(cipher));
            assert_eq!(cipher.to_ike(), transform);
        }
        // 18 and 19 are AES-GCM with shorter ICVs.
        for (transform, bits) in
            [(2, None), (12, None), (12, Some(0)), (13, None), (18, Some(128)), (19, Some(128)), (20, None)]
        {
            assert_eq!(EspCipher::from_ike(transform, bits), None);
        }
        assert_eq!(
            [1, 2, 5, 6, 7].map(EspAuth::from_ike),
            [
                Some(EspAuth::HmacMd5_96),
                Some(EspAuth::HmacSha1_96),
                Some(EspAuth::HmacSha256_128),
                Some(EspAuth::HmacSha384_192),
                Some(EspAuth::HmacSha512_256)
            ]
        );
        // 3 is DES-MAC, 4 is KPDK.
        assert_eq!([0, 3, 4, 8].map(EspAuth::from_ike), [None; 4]);
    }

    #[test]
    fn a_suite_authenticates_once() {
        let gcm = Suite { cipher: EspCipher::Aes128Gcm, auth: EspAuth::None };
        assert_eq!(Suite::from_ike(20, Some(128), None), Some(gcm));
        assert_eq!(Suite::from_ike(20, Some(128), Some(0)), Some(gcm));
        assert_eq!(Suite::from_ike(20, Some(128), Some(2)), None);
        for transform in [12, 13] {
            assert_eq!(Suite::from_ike(transform, Some(128), None), None);
            assert_eq!(Suite::from_ike(transform, Some(128), Some(0)), None);
            assert!(Suite::from_ike(transform, Some(128), Some(2)).is_some());
        }
        assert_eq!(Suite::from_ike(11, None, None), None);
    }

    #[test]
    fn lengths_of_counter_modes_are_those_of_their_rfcs() {
        let gcm = |cipher| Suite { cipher, auth: EspAuth::None };
        // RFC 4106 §8.1: 20, 28 and 36 octets.
        for (cipher, len) in [(EspCipher::Aes128Gcm, 20), (EspCipher::Aes192Gcm, 28), (EspCipher::Aes256Gcm, 36)] {
            assert_eq!(gcm(cipher).key_material_len(), len);
            assert_eq!((gcm(cipher).payload_offset(), gcm(cipher).icv_len()), (16, 16));
            // 8 + 8 + 1424 + 16.
            assert_eq!(gcm(cipher).padded_len(1422), 1456);
            assert_eq!(gcm(cipher).padded_len(1423), 1460);
        }
        let ctr = Suite { cipher: EspCipher::Aes256Ctr, auth: EspAuth::HmacSha1_96 };
        assert_eq!((ctr.key_material_len(), ctr.payload_offset(), ctr.icv_len()), (56, 16, 12));
    }
}
