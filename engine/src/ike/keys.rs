//! How IKEv1 keys are derived (RFC 2409 §5, §5.5, appendix B), and how its messages are enciphered.

use crypto::{Hash, IkeCipher, Secret};
use serde::{Deserialize, Serialize};
use wire::isakmp::Cookie;

/// The cookies of an ISAKMP SA: its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Cookies {
    /// The initiator's, the client's.
    pub initiator: [u8; 8],
    /// The responder's, ours.
    pub responder: [u8; 8],
}

impl Cookies {
    /// The two cookies of a header.
    pub fn of(header: &wire::isakmp::Header) -> Self {
        Self { initiator: header.initiator.0, responder: header.responder.0 }
    }

    /// The initiator's cookie in a header's form.
    pub fn initiator(&self) -> Cookie {
        Cookie(self.initiator)
    }

    /// The responder's cookie in a header's form.
    pub fn responder(&self) -> Cookie {
        Cookie(self.responder)
    }
}

/// What SKEYID and its descendants are made of, besides the pre-shared key.
pub struct Ingredients<'a> {
    /// The negotiated hash, whose HMAC is the prf.
    pub hash: Hash,
    /// The negotiated cipher.
    pub cipher: IkeCipher,
    /// The cookies of the SA.
    pub cookies: Cookies,
    /// Nonces without their headers: the initiator's and ours.
    pub nonces: (&'a [u8], &'a [u8]),
    /// Public values: the initiator's and ours.
    pub publics: (&'a [u8], &'a [u8]),
    /// The Diffie-Hellman shared secret.
    pub shared: &'a Secret<Vec<u8>>,
}

/// The keys of an ISAKMP SA (RFC 2409 §5).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keys {
    hash: Hash,
    cipher: IkeCipher,
    skeyid: Secret<Vec<u8>>,
    d: Secret<Vec<u8>>,
    a: Secret<Vec<u8>>,
    key: Secret<Vec<u8>>,
    /// IV of the first encrypted message of Main Mode.
    first_iv: Vec<u8>,
}

impl Keys {
    /// Derives all keys for a pre-shared key.
    pub fn derive(psk: &[u8], of: &Ingredients<'_>) -> Self {
        let (hash, cipher) = (of.hash, of.cipher);
        let (cky_i, cky_r) = (&of.cookies.initiator[..], &of.cookies.responder[..]);
        let shared = of.shared.expose().as_slice();
        let skeyid = hash.prf(psk, &[of.nonces.0, of.nonces.1]);
        let base = skeyid.expose();
        let d = hash.prf(base, &[shared, cky_i, cky_r, &[0]]);
        let a = hash.prf(base, &[d.expose(), shared, cky_i, cky_r, &[1]]);
        let e = hash.prf(base, &[a.expose(), shared, cky_i, cky_r, &[2]]);
        let key = cipher_key(hash, cipher, &e);
        let mut first_iv = hash.digest(&[of.publics.0, of.publics.1]);
        first_iv.truncate(cipher.block_len());
        Self { hash, cipher, skeyid, d, a, key, first_iv }
    }

    /// The negotiated hash.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The negotiated cipher.
    pub fn cipher(&self) -> IkeCipher {
        self.cipher
    }

    /// IV of the first encrypted message of Main Mode (RFC 2409 appendix B).
    pub fn main_mode_iv(&self) -> Vec<u8> {
        self.first_iv.clone()
    }

    /// IV of the first message of an exchange of phase 2: the hash of the last block of phase 1 and the message id.
    pub fn exchange_iv(&self, last_block: &[u8], message_id: u32) -> Vec<u8> {
        let mut iv = self.hash.digest(&[last_block, &message_id.to_be_bytes()]);
        iv.truncate(self.cipher.block_len());
        iv
    }

    /// HASH_I or HASH_R: a prf with SKEYID (RFC 2409 §5).
    pub fn identity_hash(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.hash.mac(self.skeyid.expose(), parts)
    }

    /// The hash of a message of phase 2: a prf with SKEYID_a (RFC 2409 §5.5).
    pub fn message_hash(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.hash.mac(self.a.expose(), parts)
    }

    /// KEYMAT for one ESP SA, `len` octets (RFC 2409 §5.5).
    pub fn keymat(
        &self,
        pfs: Option<&Secret<Vec<u8>>>,
        spi: u32,
        nonces: (&[u8], &[u8]),
        len: usize,
    ) -> Secret<Vec<u8>> {
        const ESP: [u8; 1] = [3];
        let spi = spi.to_be_bytes();
        let gxy = pfs.map_or(&[][..], |s| s.expose().as_slice());
        let mut out: Vec<u8> = Vec::with_capacity(len + 64);
        let mut last = Secret::new(Vec::new());
        while out.len() < len {
            last = self.hash.prf(self.d.expose(), &[last.expose(), gxy, &ESP, &spi, nonces.0, nonces.1]);
            out.extend_from_slice(last.expose());
        }
        out.truncate(len);
        Secret::new(out)
    }

    /// Enciphers a payload chain: pads it to whole blocks and moves `iv` on to the last block.
    pub fn encrypt(&self, mut chain: Vec<u8>, iv: &mut Vec<u8>) -> Vec<u8> {
        let block = self.cipher.block_len();
        chain.resize(chain.len().next_multiple_of(block), 0);
        // Whole blocks and a key and IV of the cipher's own lengths: the cipher has nothing to object to.
        let ok = self.cipher.encrypt(self.key.expose(), iv, &mut chain).is_ok();
        debug_assert!(ok, "whole blocks");
        if let Some(last) = chain.len().checked_sub(block).and_then(|at| chain.get(at..)) {
            *iv = last.to_vec();
        }
        chain
    }

    /// Deciphers a message body; moves `iv` on only through the returned value, so that rubbish changes nothing.
    pub fn decrypt(&self, body: &[u8], iv: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let block = self.cipher.block_len();
        if body.is_empty() || !body.len().is_multiple_of(block) {
            return None;
        }
        let next = body.get(body.len().checked_sub(block)?..)?.to_vec();
        let mut plain = body.to_vec();
        self.cipher.decrypt(self.key.expose(), iv, &mut plain).ok()?;
        Some((plain, next))
    }
}

/// Stretches SKEYID_e where the cipher wants a longer key (RFC 2409 appendix B).
fn cipher_key(hash: Hash, cipher: IkeCipher, skeyid_e: &Secret<Vec<u8>>) -> Secret<Vec<u8>> {
    let len = cipher.key_len();
    if skeyid_e.expose().len() >= len {
        return Secret::new(skeyid_e.expose().iter().copied().take(len).collect());
    }
    let mut out = Vec::with_capacity(len + 64);
    let mut last = hash.prf(skeyid_e.expose(), &[&[0]]);
    out.extend_from_slice(last.expose());
    while out.len() < len {
        last = hash.prf(skeyid_e.expose(), &[last.expose()]);
        out.extend_from_slice(last.expose());
    }
    out.truncate(len);
    Secret::new(out)
}
