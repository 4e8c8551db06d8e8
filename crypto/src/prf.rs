//! The hashes IKE negotiates, and the HMAC over them that IKEv1 uses as its prf (RFC 2409 §4).

use hmac::{EagerHash, Hmac, KeyInit, Mac};
use md5::Digest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::Secret;

/// A hash algorithm of an ISAKMP SA.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
pub enum Hash {
    /// MD5, 16 octets (RFC 1321).
    Md5,
    /// SHA-1, 20 octets (RFC 3174).
    Sha1,
    /// SHA-256, 32 octets (RFC 4868).
    Sha256,
    /// SHA-384, 48 octets (RFC 4868).
    Sha384,
    /// SHA-512, 64 octets (RFC 4868).
    Sha512,
}

impl Hash {
    /// Names the algorithm of an IKE hash attribute's value (RFC 2409 Appendix A, RFC 4868 §4).
    #[must_use]
    pub const fn from_ike(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha1),
            4 => Some(Self::Sha256),
            5 => Some(Self::Sha384),
            6 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The value of the IKE hash attribute.
    #[must_use]
    pub const fn to_ike(self) -> u16 {
        match self {
            Self::Md5 => 1,
            Self::Sha1 => 2,
            Self::Sha256 => 4,
            Self::Sha384 => 5,
            Self::Sha512 => 6,
        }
    }

    /// The length of digest and HMAC, in octets.
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Hashes the concatenation of the parts.
    #[must_use]
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Md5 => digest::<md5::Md5>(parts),
            Self::Sha1 => digest::<sha1::Sha1>(parts),
            Self::Sha256 => digest::<sha2::Sha256>(parts),
            Self::Sha384 => digest::<sha2::Sha384>(parts),
            Self::Sha512 => digest::<sha2::Sha512>(parts),
        }
    }

    /// Computes the HMAC of the concatenation of the parts (RFC 2104), for a value that goes onto the wire.
    #[must_use]
    pub fn mac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Md5 => hmac::<md5::Md5>(key, parts),
            Self::Sha1 => hmac::<sha1::Sha1>(key, parts),
            Self::Sha256 => hmac::<sha2::Sha256>(key, parts),
            Self::Sha384 => hmac::<sha2::Sha384>(key, parts),
            Self::Sha512 => hmac::<sha2::Sha512>(key, parts),
        }
    }

    /// Computes the same HMAC as [`Hash::mac`], for a value that stays secret: SKEYID and what comes of it.
    #[must_use]
    pub fn prf(self, key: &[u8], parts: &[&[u8]]) -> Secret<Vec<u8>> {
        Secret::new(self.mac(key, parts))
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = D::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().to_vec()
}

fn hmac<D: EagerHash + Digest>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut block = hmac::digest::Key::<Hmac<D>>::default();
    if key.len() > block.len() {
        let mut short = D::digest(key);
        block.iter_mut().zip(&short).for_each(|(to, from)| *to = *from);
        short.zeroize();
    } else {
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    }
    let mut mac = Hmac::<D>::new(&block);
    block.zeroize();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    const ALL: [Hash; 5] = [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];

    #[test]
    fn the_digests_are_those_of_rfc_1321() {
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(Hash::Md5.digest(&[text.as_bytes()]), hex(digest), "{text}");
        }
    }

    #[test]
    fn the_digests_are_those_of_rfc_3174_and_fips_180() {
        let two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let four_blocks = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno\
                           ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
        for (hash, text, digest) in [
            (Hash::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Hash::Sha1, two_blocks, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
            (Hash::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Hash::Sha256, two_blocks, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
            (
                Hash::Sha384,
                "abc",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed
                 8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                Hash::Sha384,
                four_blocks,
                "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712
                 fcc7c71a557e2db966c3e9fa91746039",
            ),
            (
                Hash::Sha512,
                "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (
                Hash::Sha512,
                four_blocks,
                "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018
                 501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
            ),
        ] {
            assert_eq!(hash.digest(&[text.as_bytes()]), hex(digest), "{hash:?} {text}");
        }
        let million = vec![b'a'; 1_000_000];
        assert_eq!(Hash::Sha1.digest(&[&million]), hex("34aa973cd4c4daa4f61eeb2bdbad27316534016f"));
    }

    #[test]
    fn the_authenticators_are_those_of_rfc_2202() {
        let count: Vec<u8> = (1..=25).collect();
        let large = "Test Using Larger Than Block-Size Key - Hash Key First";
        let larger = "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data";
        let jefe = "what do ya want for nothing?";
        let cases: [(Hash, &[u8], &[u8], &str); 14] = [
            (Hash::Md5, &[0x0b; 16], b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
            (Hash::Md5, b"Jefe", jefe.as_bytes(), "750c783e6ab0b503eaa86e310a5db738"),
            (Hash::Md5, &[0xaa; 16], &[0xdd; 50], "56be34521d144c88dbb8c733f0e8b3f6"),
            (Hash::Md5, &count, &[0xcd; 50], "697eaf0aca3a3aea3a75164746ffaa79"),
            (Hash::Md5, &[0x0c; 16], b"Test With Truncation", "56461ef2342edc00f9bab995690efd4c"),
            (Hash::Md5, &[0xaa; 80], large.as_bytes(), "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
            (Hash::Md5, &[0xaa; 80], larger.as_bytes(), "6f630fad67cda0ee1fb1f562db3aa53e"),
            (Hash::Sha1, &[0x0b; 20], b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
            (Hash::Sha1, b"Jefe", jefe.as_bytes(), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Hash::Sha1, &[0xaa; 20], &[0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
            (Hash::Sha1, &count, &[0xcd; 50], "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
            (Hash::Sha1, &[0x0c; 20], b"Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"),
            (Hash::Sha1, &[0xaa; 80], large.as_bytes(), "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
            (Hash::Sha1, &[0xaa; 80], larger.as_bytes(), "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"),
        ];
        for (hash, key, data, mac) in cases {
            assert_eq!(hash.mac(key, &[data]), hex(mac), "{hash:?} {mac}");
        }
    }

    #[test]
    fn the_authenticators_are_those_of_rfc_4231() {
        let count: Vec<u8> = (1..=25).collect();
        let large = "Test Using Larger Than Block-Size Key - Hash Key First";
        let larger = "This is a test using a larger than block-size key and a larger than block-size data. \
                      The key needs to be hashed before being used by the HMAC algorithm.";
        let cases: [(&[u8], &[u8], [&str; 3]); 6] = [
            (
                &[0x0b; 20],
                b"Hi There",
                [
                    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                    "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
                    "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde
                 daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
                ],
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                [
                    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                    "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
                    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
                ],
            ),
            (
                &[0xaa; 20],
                &[0xdd; 50],
                [
                    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
                    "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
                    "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39
                 bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
                ],
            ),
            (
                &count,
                &[0xcd; 50],
                [
                    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
                    "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb",
                    "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db
                 a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd",
                ],
            ),
            (
                &[0xaa; 131],
                large.as_bytes(),
                [
                    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                    "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
                    "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352
                 6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
                ],
            ),
            (
                &[0xaa; 131],
                larger.as_bytes(),
                [
                    "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
                    "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e",
                    "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944
                 b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58",
                ],
            ),
        ];
        for (key, data, macs) in cases {
            for (hash, mac) in [Hash::Sha256, Hash::Sha384, Hash::Sha512].into_iter().zip(macs) {
                assert_eq!(hash.mac(key, &[data]), hex(mac), "{hash:?} {mac}");
            }
        }
    }

    #[test]
    fn parts_are_hashed_as_if_they_were_one() {
        for hash in ALL {
            assert_eq!(hash.digest(&[b"ab", b"", b"c"]), hash.digest(&[b"abc"]));
            assert_eq!(hash.digest(&[]), hash.digest(&[b""]));
            assert_eq!(hash.mac(b"key", &[b"ab", b"", b"c"]), hash.mac(b"key", &[b"abc"]));
            assert_eq!(hash.prf(b"key", &[b"abc"]).expose(), &hash.mac(b"key", &[b"abc"]));
        }
    }

    #[test]
    fn a_key_of_one_block_is_not_hashed_and_a_longer_one_is() {
        for (hash, block) in ALL.into_iter().zip([64, 64, 64, 128, 128]) {
            let key = vec![7; block + 1];
            assert_eq!(hash.mac(&key, &[b"x"]), hash.mac(&hash.digest(&[&key]), &[b"x"]));
            assert_ne!(hash.mac(&key[1..], &[b"x"]), hash.mac(&hash.digest(&[&key[1..]]), &[b"x"]));
        }
    }

    #[test]
    fn numbers_and_lengths_agree() {
        for hash in ALL {
            assert_eq!(Hash::from_ike(hash.to_ike()), Some(hash));
            assert_eq!(hash.digest(&[b"x"]).len(), hash.output_len());
            assert_eq!(hash.mac(b"", &[b"x"]).len(), hash.output_len());
        }
        // 3 is Tiger.
        assert_eq!([0, 3, 7].map(Hash::from_ike), [None; 3]);
    }
}
