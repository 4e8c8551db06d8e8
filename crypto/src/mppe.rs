//! MPPE's keys from what MS-CHAP leaves (RFC 3079), how they change, and RC4 under them (RFC 3078).

use crate::Secret;
use crate::chap::Shared;
use rc4::{KeyInit, Rc4, StreamCipher};
use sha1::{Digest, Sha1};

/// How much of a key is secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Strength {
    /// 40 bits.
    Bits40,
    /// 56 bits.
    Bits56,
    /// 128 bits.
    Bits128,
}

impl Strength {
    /// The octets of a key.
    const fn octets(self) -> usize {
        match self {
            Self::Bits40 | Self::Bits56 => 8,
            Self::Bits128 => 16,
        }
    }

    /// What the first octets of a key are replaced with (RFC 3078 §7.3).
    const fn known(self) -> &'static [u8] {
        match self {
            Self::Bits40 => &[0xd1, 0x26, 0x9e],
            Self::Bits56 => &[0xd1],
            Self::Bits128 => &[],
        }
    }

    /// The number in its name.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Bits40 => 40,
            Self::Bits56 => 56,
            Self::Bits128 => 128,
        }
    }
}

/// Which side computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The authenticator.
    Server,
    /// The peer that has authenticated.
    Client,
}

/// The first keys of both directions: for sending, then for receiving.
///
/// MS-CHAP of the first version gives both directions the same, and where they are shorter than 128 bits the same for
/// every connection (RFC 3079 §2.1).
#[must_use]
pub fn start_keys(shared: &Shared, strength: Strength, side: Side) -> (Secret<Vec<u8>>, Secret<Vec<u8>>) {
    let octets = strength.octets();
    match shared {
        Shared::V1 { lm, hash_of_hash, challenge } => {
            let key = match strength {
                Strength::Bits40 | Strength::Bits56 => cut(lm.expose(), octets),
                Strength::Bits128 => v1_start_key(hash_of_hash, challenge),
            };
            (key.clone(), key)
        }
        Shared::V2 { hash_of_hash, nt_response } => {
            let master = master_key(hash_of_hash, nt_response);
            let key = |magic| asymmetric_start_key(&master, magic, octets);
            match side {
                Side::Server => (key(MAGIC_3), key(MAGIC_2)),
                Side::Client => (key(MAGIC_2), key(MAGIC_3)),
            }
        }
    }
}

fn cut(key: &[u8], octets: usize) -> Secret<Vec<u8>> {
    Secret::new(key.iter().copied().take(octets).collect())
}

/// For what the client sends and the server receives (RFC 3079 §3.4).
const MAGIC_2: &[u8] = b"On the client side, this is the send key; on the server side, it is the receive key.";
/// For what the server sends and the client receives.
const MAGIC_3: &[u8] = b"On the client side, this is the receive key; on the server side, it is the send key.";

const PAD_1: [u8; 40] = [0; 40];
const PAD_2: [u8; 40] = [0xf2; 40];

/// RFC 3079 §2.4: Get_Start_Key.
fn v1_start_key(hash_of_hash: &Secret<[u8; 16]>, challenge: &[u8; 8]) -> Secret<Vec<u8>> {
    let hash = hash_of_hash.expose();
    cut(&Sha1::new().chain_update(hash).chain_update(hash).chain_update(challenge).finalize(), 16)
}

/// RFC 3079 §3.4: GetMasterKey.
fn master_key(hash_of_hash: &Secret<[u8; 16]>, nt_response: &[u8; 24]) -> Secret<Vec<u8>> {
    let digest = Sha1::new()
        .chain_update(hash_of_hash.expose())
        .chain_update(nt_response)
        .chain_update(b"This is the MPPE Master Key")
        .finalize();
    cut(&digest, 16)
}

/// RFC 3079 §3.4: GetAsymmetricStartKey.
fn asymmetric_start_key(master: &Secret<Vec<u8>>, magic: &[u8], octets: usize) -> Secret<Vec<u8>> {
    let digest = Sha1::new()
        .chain_update(master.expose())
        .chain_update(PAD_1)
        .chain_update(magic)
        .chain_update(PAD_2)
        .finalize();
    cut(&digest, octets)
}

/// The key of one direction and the stream under it.
pub struct Stream {
    strength: Strength,
    start: Secret<Vec<u8>>,
    session: Secret<Vec<u8>>,
    rc4: Tables,
}

/// RC4's tables under a key.
struct Tables(Option<Rc4>);

impl Tables {
    fn of(key: &[u8]) -> Self {
        Self(Rc4::new_from_slice(key).ok())
    }

    /// Without a key nothing passes, least of all in the clear.
    fn apply(&mut self, octets: &mut [u8]) {
        match &mut self.0 {
            Some(rc4) => rc4.apply_keystream(octets),
            None => octets.fill(0),
        }
    }
}

impl Stream {
    /// The direction at its beginning, with a key of [`start_keys`].
    #[must_use]
    pub fn new(start: Secret<Vec<u8>>, strength: Strength) -> Self {
        let mut session = new_key_from_sha(&start, &start, strength.octets());
        reduce(&mut session, strength);
        let rc4 = Tables::of(session.expose());
        Self { strength, start, session, rc4 }
    }

    /// Goes on to the next key (RFC 3078 §7.3).
    pub fn change_key(&mut self) {
        let mut next = new_key_from_sha(&self.start, &self.session, self.strength.octets());
        let mut tables = Tables::of(next.expose());
        tables.apply(next.expose_mut());
        reduce(&mut next, self.strength);
        self.rc4 = Tables::of(next.expose());
        self.session = next;
    }

    /// Begins again with the same key, as both sides do after a Reset-Request (RFC 3078 §8.2).
    pub fn rewind(&mut self) {
        self.rc4 = Tables::of(self.session.expose());
    }

    /// Encrypts or decrypts the next octets of the stream, in place.
    pub fn apply(&mut self, octets: &mut [u8]) {
        self.rc4.apply(octets);
    }
}

/// RFC 3078 §7.3: GetNewKeyFromSHA, which is Get_Key of RFC 3079 §2.4.
fn new_key_from_sha(start: &Secret<Vec<u8>>, session: &Secret<Vec<u8>>, octets: usize) -> Secret<Vec<u8>> {
    let digest = Sha1::new()
        .chain_update(start.expose())
        .chain_update(PAD_1)
        .chain_update(session.expose())
        .chain_update(PAD_2)
        .finalize();
    cut(&digest, octets)
}

fn reduce(key: &mut Secret<Vec<u8>>, strength: Strength) {
    key.expose_mut().iter_mut().zip(strength.known()).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::chap::{mschapv1_shared, mschapv2_shared, nt_password_hash};
    use crate::testing::hex;

    const ALL: [Strength; 3] = [Strength::Bits40, Strength::Bits56, Strength::Bits128];

    fn v2() -> Shared {
        let response: [u8; 24] = hex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF").try_into().unwrap();
        mschapv2_shared(&nt_password_hash("clientPass"), &response)
    }

    fn encrypted(mut stream: Stream) -> Vec<u8> {
        let mut text = b"test message".to_vec();
        stream.apply(&mut text);
        text
    }

    /// RFC 3079 §3.5. It prints 58 as the last octet for 56 bits; a key that gives the eleven before it gives B8.
    #[test]
    fn keys_of_mschapv2_are_those_of_the_samples() {
        let samples = [
            (Strength::Bits40, "8B7CDC149B993A1B", "D1269EC49FA62E3E", "929137917E5803D668D75898"),
            (Strength::Bits56, "8B7CDC149B993A1B", "D15C00C49FA62E3E", "3F106833FA448DA842BC57B8"),
            (
                Strength::Bits128,
                "8B7CDC149B993A1BA118CB153F56DCCB",
                "405CB2247A7956E6E211007AE27B22D4",
                "81848317DF68846272FB5ABE",
            ),
        ];
        for (strength, start, session, message) in samples {
            let (send, _) = start_keys(&v2(), strength, Side::Server);
            assert_eq!(*send.expose(), hex(start), "{strength:?}");
            let stream = Stream::new(send, strength);
            assert_eq!(*stream.session.expose(), hex(session), "{strength:?}");
            assert_eq!(encrypted(stream), hex(message), "{strength:?}");
        }
    }

    /// RFC 3079 §2.5.
    #[test]
    fn keys_of_mschapv1_are_those_of_the_samples() {
        let challenge: [u8; 8] = hex("102db5df085d3041").try_into().unwrap();
        let shared = mschapv1_shared("clientPass", &challenge);
        let samples = [
            (Strength::Bits40, "d1269e538cec4a08"),
            (Strength::Bits56, "d10801538cec4a08"),
            (Strength::Bits128, "59d159bc09f76f1da2a86a28ffec0b1e"),
        ];
        for (strength, session) in samples {
            let (send, receive) = start_keys(&shared, strength, Side::Server);
            assert_eq!(send, receive);
            assert_eq!(*Stream::new(send, strength).session.expose(), hex(session), "{strength:?}");
        }
    }

    #[test]
    fn what_one_side_sends_the_other_receives() {
        for strength in ALL {
            let (server_send, server_receive) = start_keys(&v2(), strength, Side::Server);
            let (client_send, client_receive) = start_keys(&v2(), strength, Side::Client);
            assert_eq!((&server_send, &server_receive), (&client_receive, &client_send));
            assert_ne!(server_send, server_receive);
        }
    }

    #[test]
    fn keys_change_alike_on_both_sides_and_rewinding_gives_the_same_stream_again() {
        for strength in ALL {
            let (key, _) = start_keys(&v2(), strength, Side::Server);
            let (mut here, mut there) = (Stream::new(key.clone(), strength), Stream::new(key, strength));
            let mut seen = vec![encrypted_by(&mut here)];
            there.apply(&mut [0; 12]);
            for _ in 0..300 {
                here.change_key();
                there.change_key();
                let mut text = encrypted_by(&mut here);
                assert!(!seen.contains(&text));
                seen.push(text.clone());
                there.apply(&mut text);
                assert_eq!(text, b"test message");
                assert!(here.session.expose().starts_with(strength.known()));
            }
            here.rewind();
            assert_eq!(seen.last(), Some(&encrypted_by(&mut here)));
        }
    }

    fn encrypted_by(stream: &mut Stream) -> Vec<u8> {
        let mut text = b"test message".to_vec();
        stream.apply(&mut text);
        text
    }
}
