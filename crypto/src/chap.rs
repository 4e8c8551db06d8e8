//! The arithmetic of CHAP with MD5 (RFC 1994), MS-CHAPv1 (RFC 2433) and MS-CHAPv2 (RFC 2759).

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::Md4;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use sha1::Sha1;

use crate::Secret;

/// Computes the response of CHAP with MD5: identifier, secret and challenge hashed (RFC 1994 §4.1).
#[must_use]
pub fn md5_response(id: u8, secret: &[u8], challenge: &[u8]) -> [u8; 16] {
    Md5::new().chain_update([id]).chain_update(secret).chain_update(challenge).finalize().into()
}

/// Hashes a password as Windows does: MD4 over UTF-16 in little-endian order (RFC 2759 §8.3).
#[must_use]
pub fn nt_password_hash(password: &str) -> Secret<[u8; 16]> {
    let mut hash = Md4::new();
    for unit in password.encode_utf16() {
        hash.update(unit.to_le_bytes());
    }
    Secret::new(hash.finalize().into())
}

/// Hashes a password as LAN Manager did: its first 14 octets in upper case, as DES keys (RFC 2433 §A.2).
///
/// Letters beyond ASCII have no agreed code page and are taken as UTF-8.
#[must_use]
pub fn lm_password_hash(password: &str) -> Secret<[u8; 16]> {
    let mut key = Secret::new([0; 14]);
    let upper = password.bytes().map(|octet| octet.to_ascii_uppercase());
    key.expose_mut().iter_mut().zip(upper).for_each(|(to, from)| *to = from);
    let mut out = [0; 16];
    for (block, half) in out.as_chunks_mut::<8>().0.iter_mut().zip(key.expose().as_chunks::<7>().0) {
        *block = des(half, b"KGS!@#$%");
    }
    Secret::new(out)
}

/// Computes MS-CHAPv1's response to a challenge from the hash of the password (RFC 2433 §A.5).
#[must_use]
pub fn mschapv1_nt_response(challenge: &[u8; 8], hash: &Secret<[u8; 16]>) -> [u8; 24] {
    challenge_response(challenge, hash)
}

/// Computes MS-CHAPv1's LAN Manager response from [`lm_password_hash`] (RFC 2433 §A.1).
///
/// RFC 2433 deprecates it: a peer that sends the NT response needs no other.
#[must_use]
pub fn mschapv1_lm_response(challenge: &[u8; 8], hash: &Secret<[u8; 16]>) -> [u8; 24] {
    challenge_response(challenge, hash)
}

/// Takes a leading `DOMAIN\` off a user's name; MS-CHAPv2 computes with what remains (RFC 2759 §8.2).
#[must_use]
pub fn without_domain(user: &[u8]) -> &[u8] {
    user.iter().position(|octet| *octet == b'\\').and_then(|at| user.get(at + 1..)).unwrap_or(user)
}

/// Computes the challenge MS-CHAPv2 really uses, from both sides' challenges and the name (RFC 2759 §8.2).
///
/// `user` is the name as the peer typed it, without its domain: see [`without_domain`].
#[must_use]
pub fn mschapv2_challenge_hash(peer_challenge: &[u8; 16], authenticator_challenge: &[u8; 16], user: &[u8]) -> [u8; 8] {
    let digest: [u8; 20] = Sha1::new()
        .chain_update(peer_challenge)
        .chain_update(authenticator_challenge)
        .chain_update(user)
        .finalize()
        .into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    [a, b, c, d, e, f, g, h]
}

/// Computes the response of an MS-CHAPv2 peer (RFC 2759 §8.1).
#[must_use]
pub fn mschapv2_nt_response(
    authenticator_challenge: &[u8; 16],
    peer_challenge: &[u8; 16],
    user: &[u8],
    hash: &Secret<[u8; 16]>,
) -> [u8; 24] {
    challenge_response(&mschapv2_challenge_hash(peer_challenge, authenticator_challenge, user), hash)
}

/// Computes by what an MS-CHAPv2 authenticator proves that it knows the password too (RFC 2759 §8.7).
///
/// The text is `S=` and 40 hexadecimal digits in upper case, as it stands in the Success packet.
#[must_use]
pub fn mschapv2_authenticator_response(
    hash: &Secret<[u8; 16]>,
    nt_response: &[u8; 24],
    peer_challenge: &[u8; 16],
    authenticator_challenge: &[u8; 16],
    user: &[u8],
) -> String {
    let inner = Sha1::new()
        .chain_update(hash_of_hash(hash).expose())
        .chain_update(nt_response)
        .chain_update(b"Magic server to client signing constant")
        .finalize();
    let outer = Sha1::new()
        .chain_update(inner)
        .chain_update(mschapv2_challenge_hash(peer_challenge, authenticator_challenge, user))
        .chain_update(b"Pad to make it do more than one iteration")
        .finalize();
    let mut text = String::from("S=");
    for octet in outer {
        for digit in [octet >> 4, octet & 15] {
            text.push(char::from(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 }));
        }
    }
    text
}

/// What MS-CHAP leaves to both sides beside the proof, out of which keys can be made that nobody else can.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Shared {
    /// Of the first version.
    V1 {
        /// The first half of the LAN Manager hash, the same whenever the user connects.
        lm: Secret<[u8; 8]>,
        /// The hash of the password's hash.
        hash_of_hash: Secret<[u8; 16]>,
        /// The authenticator's challenge.
        challenge: [u8; 8],
    },
    /// Of the second version.
    V2 {
        /// The hash of the password's hash.
        hash_of_hash: Secret<[u8; 16]>,
        /// The peer's response.
        nt_response: [u8; 24],
    },
}

/// What both sides of an MS-CHAPv1 exchange have in common afterwards.
#[must_use]
pub fn mschapv1_shared(password: &str, challenge: &[u8; 8]) -> Shared {
    let mut lm = Secret::new([0; 8]);
    lm.expose_mut().iter_mut().zip(lm_password_hash(password).expose()).for_each(|(to, from)| *to = *from);
    let hash_of_hash = hash_of_hash(&nt_password_hash(password));
    Shared::V1 { lm, hash_of_hash, challenge: *challenge }
}

/// What both sides of an MS-CHAPv2 exchange have in common afterwards.
#[must_use]
pub fn mschapv2_shared(hash: &Secret<[u8; 16]>, nt_response: &[u8; 24]) -> Shared {
    Shared::V2 { hash_of_hash: hash_of_hash(hash), nt_response: *nt_response }
}

/// RFC 2759 §8.4: HashNtPasswordHash.
fn hash_of_hash(hash: &Secret<[u8; 16]>) -> Secret<[u8; 16]> {
    Secret::new(Md4::digest(hash.expose()).into())
}

/// Encrypts a challenge under the hash as three DES keys, the last padded with zeros (RFC 2759 §8.5).
fn challenge_response(challenge: &[u8; 8], hash: &Secret<[u8; 16]>) -> [u8; 24] {
    let mut keys = Secret::new([0; 21]);
    keys.expose_mut().iter_mut().zip(hash.expose()).for_each(|(to, from)| *to = *from);
    let mut out = [0; 24];
    for (block, key) in out.as_chunks_mut::<8>().0.iter_mut().zip(keys.expose().as_chunks::<7>().0) {
        *block = des(key, challenge);
    }
    out
}

/// Encrypts one block under 56 bits of key, spread over eight octets whose parity bits stay zero (RFC 2759 §8.6).
fn des(key: &[u8; 7], clear: &[u8; 8]) -> [u8; 8] {
    let bits = key.iter().fold(0u64, |bits, octet| bits << 8 | u64::from(*octet));
    let mut spread = [0; 8];
    for (at, octet) in (0u32..).zip(&mut spread) {
        *octet = ((bits >> (49 - 7 * at)) as u8) << 1;
    }
    let mut block = (*clear).into();
    Des::new(&spread.into()).encrypt_block(&mut block);
    block.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::hex;

    fn octets<const N: usize>(text: &str) -> [u8; N] {
        hex(text).try_into().unwrap()
    }

    #[test]
    fn md5_responses_are_hashes_of_identifier_secret_and_challenge() {
        // RFC 1321 §A.5: the digest of "abc" and of "message digest", cut in three.
        assert_eq!(md5_response(b'a', b"b", b"c"), octets("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(md5_response(b'm', b"essage", b" digest"), octets("f96b697d7cb7938d525a2f31aaf161d0"));
    }

    #[test]
    fn md4_gives_the_digests_of_rfc_1320() {
        assert_eq!(Md4::digest(b"")[..], hex("31d6cfe0d16ae931b73c59d7e0c089c0"));
        assert_eq!(Md4::digest(b"abc")[..], hex("a448017aaf21d8525fc10ae87aa6729d"));
        assert_eq!(Md4::digest(b"message digest")[..], hex("d9130a8164549fe818874806e1c7014b"));
    }

    /// RFC 2759 §9.2.
    #[test]
    fn mschapv2_gives_the_example_of_its_rfc() {
        let authenticator = octets("5B5D7C7D7B3F2F3E3C2C602132262628");
        let peer = octets("21402324255E262A28295F2B3A337C7E");
        assert_eq!(mschapv2_challenge_hash(&peer, &authenticator, b"User"), octets("D02E4386BCE91226"));
        let hash = nt_password_hash("clientPass");
        assert_eq!(*hash.expose(), octets("44EBBA8D5312B8D611474411F56989AE"));
        assert_eq!(Md4::digest(hash.expose())[..], hex("41C00C584BD2D91C4017A2A12FA59F3F"));
        let response = mschapv2_nt_response(&authenticator, &peer, b"User", &hash);
        assert_eq!(response, octets("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF"));
        assert_eq!(
            mschapv2_authenticator_response(&hash, &response, &peer, &authenticator, b"User"),
            "S=407A5589115FD0D6209F510FE9C04566932CDA56"
        );
    }

    /// RFC 2433 §B.2.
    #[test]
    fn mschapv1_gives_the_example_of_its_rfc() {
        let hash = nt_password_hash("MyPw");
        assert_eq!(*hash.expose(), octets("FC156AF7EDCD6C0EDDE3337D427F4EAC"));
        assert_eq!(
            mschapv1_nt_response(&octets("102DB5DF085D3041"), &hash),
            octets("4E9D3C8F9CFD385D5BF4D3246791956CA4C351AB409A3D61")
        );
    }

    /// The example of MS-NLMP §4.2.2: the arithmetic of NTLMv1 is that of MS-CHAPv1.
    #[test]
    fn lan_manager_and_nt_responses_agree_with_ntlm() {
        let challenge = octets("0123456789abcdef");
        let (lm, nt) = (lm_password_hash("Password"), nt_password_hash("Password"));
        assert_eq!(*lm.expose(), octets("e52cac67419a9a224a3b108f3fa6cb6d"));
        assert_eq!(*nt.expose(), octets("a4f49c406510bdcab6824ee7c30fd852"));
        assert_eq!(mschapv1_lm_response(&challenge, &lm), octets("98def7b87f88aa5dafe2df779688a172def11c7d5ccdef13"));
        assert_eq!(mschapv1_nt_response(&challenge, &nt), octets("67c43011f30298a2ad35ece64f16331c44bdbed927841f94"));
        assert_eq!(*lm_password_hash("").expose(), octets("aad3b435b51404eeaad3b435b51404ee"));
        assert_eq!(lm_password_hash("PASSWORD"), lm);
        assert_eq!(lm_password_hash("fourteen octets"), lm_password_hash("fourteen octet"));
    }

    #[test]
    fn passwords_are_hashed_as_utf_16_with_surrogates() {
        let clef = nt_password_hash("\u{1d11e}é");
        assert_eq!(clef.expose()[..], Md4::digest([0x34, 0xd8, 0x1e, 0xdd, 0xe9, 0x00])[..]);
        assert_eq!(*nt_password_hash("").expose(), octets("31d6cfe0d16ae931b73c59d7e0c089c0"));
    }

    #[test]
    fn the_domain_is_taken_off_and_the_rest_kept_as_typed() {
        assert_eq!(without_domain(b"OFFICE\\User"), b"User");
        assert_eq!(without_domain(b"User"), b"User");
        assert_eq!(without_domain(b"user@office.example"), b"user@office.example");
        assert_eq!(without_domain(b"OFFICE\\"), b"");
        assert_eq!(without_domain(b"\\a\\b"), b"a\\b");
    }

    /// RFC 2433 §B.3, without the parity bits.
    #[test]
    fn seven_octets_are_spread_over_eight() {
        let challenge = octets("0123456789abcdef");
        for (raw, corrected) in
            [("FC156AF7EDCD6C", octets::<8>("FD0B5B5E7F6E34D9")), ("0EDDE3337D427F", octets("0E6E796737EA08FE"))]
        {
            let mut block = challenge.into();
            Des::new(&corrected.into()).encrypt_block(&mut block);
            assert_eq!(des(&octets(raw), &challenge), <[u8; 8]>::from(block));
        }
    }
}
