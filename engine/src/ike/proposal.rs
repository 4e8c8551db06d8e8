//! Which of a client's proposals is taken, in both phases, and how the others are told.

use super::Refusal;
use super::informational::DOI;
use core::time::Duration;
use crypto::esp::{EspAuth, EspCipher, Suite};
use crypto::{Group, Hash, IkeCipher};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use wire::isakmp::{Proposal, Protocol, SecurityAssociation, Transform};

/// Phase 1 attributes (RFC 2409 appendix A).
mod phase1 {
    pub(super) const ENCRYPTION: u16 = 1;
    pub(super) const HASH: u16 = 2;
    pub(super) const AUTHENTICATION: u16 = 3;
    pub(super) const GROUP: u16 = 4;
    pub(super) const LIFE_TYPE: u16 = 11;
    pub(super) const LIFE_DURATION: u16 = 12;
    pub(super) const KEY_LENGTH: u16 = 14;
    /// Groups of the client's own, another prf.
    pub(super) const UNSUPPORTED: [u16; 9] = [5, 6, 7, 8, 9, 10, 13, 15, 16];
    /// KEY_IKE, the only transform of phase 1.
    pub(super) const KEY_IKE: u8 = 1;
    /// Authentication by pre-shared key.
    pub(super) const PSK: u64 = 1;
}

/// Phase 2 attributes (RFC 2407 §4.5).
mod phase2 {
    pub(super) const LIFE_TYPE: u16 = 1;
    pub(super) const LIFE_DURATION: u16 = 2;
    pub(super) const GROUP: u16 = 3;
    pub(super) const ENCAPSULATION: u16 = 4;
    pub(super) const AUTHENTICATION: u16 = 5;
    pub(super) const KEY_LENGTH: u16 = 6;
    /// Rounds, compression, ECN in tunnels, sequence numbers of 64 bits (RFC 4304 §2), and what multicast has.
    pub(super) const UNSUPPORTED: [u16; 7] = [7, 8, 9, 10, 11, 12, 13];
    /// Plain transport mode.
    pub(super) const TRANSPORT: u64 = 2;
    /// UDP-encapsulated transport mode.
    pub(super) const UDP_TRANSPORT: u64 = 4;
}

/// The life of an SA if the client names none (RFC 2407 §4.5).
const DEFAULT_LIFE: Duration = Duration::from_secs(28_800);
/// Bounds within which a client's life in seconds is followed.
const LIFE_BOUNDS: (u64, u64) = (20, 30 * 86_400);
/// Names listed in a log line before it is cut short.
const MOST_TOLD: usize = 6;

/// The proposal of phase 1 that was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Phase1 {
    /// The cipher of IKE's own messages.
    pub cipher: IkeCipher,
    /// The hash, and by its HMAC the prf.
    pub hash: Hash,
    /// The Diffie-Hellman group.
    pub group: Group,
    /// How long the ISAKMP SA lives.
    pub life: Duration,
}

/// The ESP proposal that was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Phase2 {
    /// Cipher and integrity algorithm.
    pub suite: Suite,
    /// The client's SPI: our outbound one.
    pub spi: u32,
    /// The group, if the client asks for perfect forward secrecy.
    pub pfs: Option<Group>,
    /// How long the SA lives.
    pub life: Duration,
    /// Kilobytes it may carry, if the client says so.
    pub kilobytes: Option<u64>,
    /// Proposal and transform to answer with, as offered.
    pub answer: (u8, u8, Vec<(u16, Value)>),
}

impl Phase2 {
    /// Whether ESP goes in UDP: behind a NAT, or where the client has asked for it.
    pub fn in_udp(&self, wanted: &Wanted<'_>) -> bool {
        let mode = self.answer.2.iter().find(|(kind, _)| *kind == phase2::ENCAPSULATION);
        let mode = mode.and_then(|(kind, value)| value.attribute(*kind).as_u64());
        wanted.udp || mode.is_some_and(|mode| is_udp(mode, wanted))
    }
}

/// An attribute's value in a form that a record can hold.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Value {
    /// Two octets within the attribute's header.
    Short(u16),
    /// Octets behind it.
    Long(Vec<u8>),
}

impl Value {
    /// The attribute of this kind with this value.
    pub(super) fn attribute(&self, kind: u16) -> wire::isakmp::Attribute {
        use wire::isakmp::{Attribute, AttributeValue};
        let value = match self {
            Self::Short(n) => AttributeValue::Short(*n),
            Self::Long(b) => AttributeValue::Long(b.clone()),
        };
        Attribute { kind, value }
    }
}

/// What a client must offer for phase 2 to fit its path and the configuration.
pub struct Wanted<'a> {
    /// Words of `ipsec ike refuse`.
    pub refused: &'a BTreeSet<String>,
    /// The suite of `ipsec sa policy`: taken first when offered.
    pub preferred: Option<Suite>,
    /// A NAT was found, so ESP goes in UDP.
    pub udp: bool,
    /// There is no NAT, but the exchange goes over port 4500: ESP in UDP arrives, should the client ask for it.
    pub may_udp: bool,
    /// The encapsulation attribute that means it in the variant spoken.
    pub udp_mode: u64,
    /// `ipsec ike negotiate-strictly`: nothing but the preferred suite, with or without perfect forward secrecy.
    pub strict: Option<bool>,
}

/// The word by which the operator refuses a cipher of phase 1.
fn cipher_word(c: IkeCipher) -> &'static str {
    match c {
        IkeCipher::TripleDes => "3des-cbc",
        IkeCipher::Aes128 => "aes-cbc",
        IkeCipher::Aes192 => "aes192-cbc",
        IkeCipher::Aes256 => "aes256-cbc",
    }
}

fn hash_word(h: Hash) -> &'static str {
    match h {
        Hash::Md5 => "md5",
        Hash::Sha1 => "sha",
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    }
}

fn group_word(g: Group) -> &'static str {
    match g {
        Group::Modp1024 => "modp1024",
        Group::Modp1536 => "modp1536",
        Group::Modp2048 => "modp2048",
        Group::Modp3072 => "modp3072",
        Group::Modp4096 => "modp4096",
        Group::Modp6144 => "modp6144",
        Group::Modp8192 => "modp8192",
        Group::Ecp256 => "ecp256",
        Group::Ecp384 => "ecp384",
        Group::Ecp521 => "ecp521",
        Group::Curve25519 => "curve25519",
    }
}

/// The words by which the operator refuses cipher and hash of ESP; a cipher that authenticates has no hash.
fn esp_words(s: Suite) -> (&'static str, Option<&'static str>) {
    let cipher = match s.cipher {
        EspCipher::Null => "null",
        EspCipher::TripleDes => "3des-cbc",
        EspCipher::Aes128 => "aes-cbc",
        EspCipher::Aes192 => "aes192-cbc",
        EspCipher::Aes256 => "aes256-cbc",
        EspCipher::Aes128Ctr => "aes-ctr",
        EspCipher::Aes192Ctr => "aes192-ctr",
        EspCipher::Aes256Ctr => "aes256-ctr",
        EspCipher::Aes128Gcm => "aes-gcm",
        EspCipher::Aes192Gcm => "aes192-gcm",
        EspCipher::Aes256Gcm => "aes256-gcm",
    };
    let auth = match s.auth {
        EspAuth::HmacMd5_96 => Some("md5"),
        EspAuth::HmacSha1_96 => Some("sha"),
        EspAuth::HmacSha256_128 | EspAuth::HmacSha256_96 => Some("sha256"),
        EspAuth::HmacSha384_192 => Some("sha384"),
        EspAuth::HmacSha512_256 => Some("sha512"),
        EspAuth::None => None,
    };
    (cipher, auth)
}

/// Algorithms that a careful operator would not want; told once for each client that uses one.
pub fn weak_words(phase1: &Phase1) -> Vec<&'static str> {
    let all = [cipher_word(phase1.cipher), hash_word(phase1.hash), group_word(phase1.group)];
    all.into_iter().filter(|w| matches!(*w, "3des-cbc" | "md5" | "modp1024" | "modp1536")).collect()
}

impl Phase1 {
    /// In words, as logs show it.
    pub fn words(&self) -> String {
        format!("{} {} {}", cipher_word(self.cipher), hash_word(self.hash), group_word(self.group))
    }

    /// Our order of liking: higher is better.
    ///
    /// What breaks first decides first, and that is a group of less than 112 bits of strength. Groups beyond 3072 bits
    /// are strong, but cost a small client seconds and a server under load a core: any other comes before them. Among
    /// the rest the cipher counts, and then what the group costs for what it gives. P-256 and Curve25519 (128 bits)
    /// take a tenth of the time of the 2048-bit group (112 bits), and P-384 (192 bits) a third; P-256 stands first
    /// because IKEv1 knows it by a number of its own (RFC 5903), which clients use more than that of Curve25519.
    /// Group 14 stands before the larger primes as nearly every client has it.
    fn rank(&self) -> (u8, u8, u8, u8) {
        let (class, group) = match self.group {
            Group::Modp1024 => (0, 0),
            Group::Modp1536 => (0, 1),
            Group::Modp8192 => (1, 0),
            Group::Modp6144 => (1, 1),
            Group::Modp4096 => (1, 2),
            Group::Modp3072 => (2, 0),
            Group::Ecp521 => (2, 1),
            Group::Modp2048 => (2, 2),
            Group::Ecp384 => (2, 3),
            Group::Curve25519 => (2, 4),
            Group::Ecp256 => (2, 5),
        };
        let cipher = match self.cipher {
            IkeCipher::TripleDes => 0,
            IkeCipher::Aes128 => 1,
            IkeCipher::Aes192 => 2,
            IkeCipher::Aes256 => 3,
        };
        let hash = match self.hash {
            Hash::Md5 => 0,
            Hash::Sha1 => 1,
            Hash::Sha384 => 2,
            Hash::Sha512 => 3,
            Hash::Sha256 => 4,
        };
        (class, cipher, group, hash)
    }

    fn refused_by(&self, refused: &BTreeSet<String>) -> Vec<String> {
        let words = [cipher_word(self.cipher), hash_word(self.hash), group_word(self.group)];
        words.iter().filter(|w| refused.contains(**w)).map(|w| (*w).to_owned()).collect()
    }
}

impl Phase2 {
    /// In words, as logs show it.
    pub fn words(&self) -> String {
        match esp_words(self.suite) {
            (cipher, Some(auth)) => format!("esp {cipher} {auth}-hmac"),
            (cipher, None) => format!("esp {cipher}"),
        }
    }

    /// Our order of liking when the client does not offer what `ipsec sa policy` names. GCM does in one pass what the
    /// others do in two, in less of the packet. CTR stands behind CBC: it gains little and few clients have tried it.
    fn rank(suite: Suite) -> (u8, u8) {
        let cipher = match suite.cipher {
            EspCipher::Null => 0,
            EspCipher::TripleDes => 1,
            EspCipher::Aes192Ctr => 2,
            EspCipher::Aes128Ctr => 3,
            EspCipher::Aes256Ctr => 4,
            EspCipher::Aes192 => 5,
            EspCipher::Aes128 => 6,
            EspCipher::Aes256 => 7,
            EspCipher::Aes192Gcm => 8,
            EspCipher::Aes128Gcm => 9,
            EspCipher::Aes256Gcm => 10,
        };
        let auth = match suite.auth {
            EspAuth::None | EspAuth::HmacMd5_96 => 0,
            EspAuth::HmacSha384_192 => 1,
            EspAuth::HmacSha512_256 => 2,
            EspAuth::HmacSha1_96 => 3,
            EspAuth::HmacSha256_128 | EspAuth::HmacSha256_96 => 4,
        };
        (cipher, auth)
    }
}

/// The value of attribute `kind`, if it is there.
fn value(t: &Transform, kind: u16) -> Option<u64> {
    t.attribute(kind).and_then(wire::isakmp::Attribute::as_u64)
}

/// Lives: each duration belongs to the life type before it. Zero and nonsense count as not said.
fn lives(t: &Transform, type_kind: u16, duration_kind: u16) -> (Option<u64>, Option<u64>) {
    let (mut seconds, mut kilobytes, mut what) = (None, None, 1);
    for a in &t.attributes {
        if a.kind == type_kind {
            what = a.as_u64().unwrap_or(0);
        } else if a.kind == duration_kind {
            let n = a.as_u64().filter(|n| *n > 0);
            match what {
                1 => seconds = n,
                2 => kilobytes = n,
                _ => {}
            }
        }
    }
    (seconds, kilobytes)
}

fn life(seconds: Option<u64>) -> Duration {
    seconds.map_or(DEFAULT_LIFE, |s| Duration::from_secs(s.clamp(LIFE_BOUNDS.0, LIFE_BOUNDS.1)))
}

fn key_bits(t: &Transform, kind: u16) -> Option<u16> {
    value(t, kind).and_then(|b| u16::try_from(b).ok())
}

/// Whether all that a transform says can be followed: it says nothing twice and in two ways (RFC 2407 §4.5.2), and holds no
/// attribute whose meaning is not supported here (RFC 2407 §4.5.3). An attribute that means nothing is read over.
fn is_followed(t: &Transform, lives: [u16; 2], unsupported: &[u16]) -> bool {
    t.attributes.iter().enumerate().all(|(at, a)| {
        let before = t.attributes.iter().take(at).find(|b| b.kind == a.kind);
        // A life may be told in seconds and in kilobytes.
        let is_contradiction = !lives.contains(&a.kind) && before.is_some_and(|b| b.as_u64() != a.as_u64());
        !is_contradiction && !unsupported.contains(&a.kind)
    })
}

/// The offer's domain of interpretation must be that of IPsec (RFC 2408 §5.4).
fn check_doi(offer: &SecurityAssociation) -> Result<(), Refusal> {
    if offer.doi == DOI { Ok(()) } else { Err(Refusal::Unacceptable("the proposals are not of the IPsec DOI")) }
}

/// Reads one transform of phase 1; `None` if any part of it is not supported.
fn read_phase1(t: &Transform) -> Option<(Phase1, u64)> {
    if t.id != phase1::KEY_IKE || !is_followed(t, [phase1::LIFE_TYPE, phase1::LIFE_DURATION], &phase1::UNSUPPORTED) {
        return None;
    }
    let n = |kind| value(t, kind).and_then(|v| u16::try_from(v).ok());
    let cipher = IkeCipher::from_ike(n(phase1::ENCRYPTION)?, key_bits(t, phase1::KEY_LENGTH))?;
    let hash = Hash::from_ike(n(phase1::HASH)?)?;
    let group = Group::from_ike(n(phase1::GROUP)?)?;
    let (seconds, _) = lives(t, phase1::LIFE_TYPE, phase1::LIFE_DURATION);
    Some((Phase1 { cipher, hash, group, life: life(seconds) }, value(t, phase1::AUTHENTICATION)?))
}

/// Whether all that is offered is of group 2, and some of it with SHA-2: so do Androids of the time when their kernels
/// cut HMAC-SHA-256 short.
pub(super) fn is_group_2_with_sha_2(offer: &SecurityAssociation) -> bool {
    let mut all = offer.proposals.iter().flat_map(|p| &p.transforms).peekable();
    let sha_2 = |t: &Transform| matches!(value(t, phase1::HASH), Some(4..=6));
    all.peek().is_some() && all.clone().all(|t| group_of(t) == Some(Group::Modp1024)) && all.any(sha_2)
}

/// The group of a transform of phase 1, if it is one that is supported.
pub(super) fn group_of(t: &Transform) -> Option<Group> {
    value(t, phase1::GROUP).and_then(|v| u16::try_from(v).ok()).and_then(Group::from_ike)
}

fn listed(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(" or ")
}

/// Chooses the best proposal of phase 1, by our order and not by the client's; with `only` (the words of
/// [`Phase1::words`]) nothing else. The answer repeats the chosen
/// transform as it was offered: number, order and form of its attributes.
pub fn choose_phase1(
    offer: &SecurityAssociation,
    refused: &BTreeSet<String>,
    only: &BTreeSet<String>,
) -> Result<(Phase1, SecurityAssociation), Refusal> {
    check_doi(offer)?;
    let mut best: Option<(Phase1, &Proposal, &Transform)> = None;
    let (mut kept_out, mut told, mut other_auth) = (BTreeSet::new(), vec![], None);
    for p in offer.proposals.iter().filter(|p| p.protocol == Protocol::Isakmp) {
        for t in &p.transforms {
            told.push(tell_phase1(t));
            let Some((this, auth)) = read_phase1(t) else { continue };
            if auth != phase1::PSK {
                other_auth = Some(auth);
                continue;
            }
            let words = this.refused_by(refused);
            if !words.is_empty() {
                kept_out.insert(words.join(" and "));
                continue;
            }
            if !only.is_empty() && !only.contains(&this.words()) {
                continue;
            }
            if best.as_ref().is_none_or(|(b, ..)| this.rank() > b.rank()) {
                best = Some((this, p, t));
            }
        }
    }
    let Some((chosen, p, t)) = best else {
        return Err(match other_auth {
            Some(auth) if kept_out.is_empty() => Refusal::AuthenticationMethod(auth),
            _ if !only.is_empty() => Refusal::Strict { offered: summary(told), only: listed(only) },
            _ => Refusal::NoProposal { offered: summary(told), refused: kept_out.into_iter().collect() },
        });
    };
    let answer = SecurityAssociation {
        doi: offer.doi,
        situation: offer.situation,
        proposals: vec![Proposal { spi: p.spi.clone(), transforms: vec![t.clone()], ..*p }],
    };
    Ok((chosen, answer))
}

/// Reads one ESP transform.
fn read_suite(t: &Transform, preferred: Option<Suite>) -> Option<Suite> {
    if !is_followed(t, [phase2::LIFE_TYPE, phase2::LIFE_DURATION], &phase2::UNSUPPORTED) {
        return None;
    }
    let auth = match value(t, phase2::AUTHENTICATION) {
        Some(number) => Some(u16::try_from(number).ok()?),
        None => None,
    };
    let suite = Suite::from_ike(t.id, key_bits(t, phase2::KEY_LENGTH), auth)?;
    // NULL encryption puts the inner packets on the wire in the clear: only where 'ipsec sa policy' names it.
    (suite.cipher != EspCipher::Null || preferred == Some(suite)).then_some(suite)
}

/// Whether the mode of encapsulation fits what NAT detection found, and the ports.
fn fits_path(t: &Transform, wanted: &Wanted<'_>) -> bool {
    match value(t, phase2::ENCAPSULATION) {
        Some(mode) if wanted.udp => is_udp(mode, wanted),
        Some(mode) if wanted.may_udp && is_udp(mode, wanted) => true,
        // RFC 2407 §4.5: unspecified is host-dependent; every L2TP/IPsec client means transport.
        Some(mode) => mode == phase2::TRANSPORT,
        None => !wanted.udp,
    }
}

fn is_udp(mode: u64, wanted: &Wanted<'_>) -> bool {
    mode == wanted.udp_mode || mode == phase2::UDP_TRANSPORT
}

/// Chooses the best ESP proposal.
pub fn choose_phase2(offer: &SecurityAssociation, wanted: &Wanted<'_>) -> Result<Phase2, Refusal> {
    check_doi(offer)?;
    let mut best: Option<(bool, Phase2)> = None;
    let (mut kept_out, mut told, mut kept_by_strictness) = (BTreeSet::new(), vec![], false);
    let (mut wrong_mode, mut offers_udp) = (false, false);
    for p in &offer.proposals {
        // Proposals of one number belong together (ESP with IPComp or AH, RFC 2408 §4.2): only ESP alone is served.
        let together = offer.proposals.iter().filter(|q| q.number == p.number).count();
        if p.protocol != Protocol::Esp || together != 1 {
            continue;
        }
        let Some(spi) = p.spi.as_slice().try_into().ok().map(u32::from_be_bytes).filter(|s| *s > 255) else {
            continue;
        };
        for t in &p.transforms {
            told.push(tell_phase2(t));
            let Some(suite) = read_suite(t, wanted.preferred) else { continue };
            if !fits_path(t, wanted) {
                wrong_mode = true;
                offers_udp |= value(t, phase2::ENCAPSULATION).is_some_and(|mode| is_udp(mode, wanted));
                continue;
            }
            let pfs = match value(t, phase2::GROUP).map(u16::try_from) {
                None => None,
                Some(g) => match g.ok().and_then(Group::from_ike) {
                    Some(g) => Some(g),
                    None => continue,
                },
            };
            let words = esp_words(suite);
            let out: Vec<_> =
                [Some(words.0), words.1].into_iter().flatten().filter(|w| wanted.refused.contains(*w)).collect();
            if !out.is_empty() {
                kept_out.insert(out.join(" and "));
                continue;
            }
            let preferred = wanted.preferred == Some(suite);
            if wanted.strict.is_some_and(|with_pfs| !preferred || pfs.is_some() != with_pfs) {
                kept_by_strictness = true;
                continue;
            }
            let better = best
                .as_ref()
                .is_none_or(|(liked, b)| (preferred, Phase2::rank(suite)) > (*liked, Phase2::rank(b.suite)));
            if better {
                let (seconds, kilobytes) = lives(t, phase2::LIFE_TYPE, phase2::LIFE_DURATION);
                let answer = (p.number, t.number, t.attributes.iter().map(|a| (a.kind, store(&a.value))).collect());
                best = Some((preferred, Phase2 { suite, spi, pfs, life: life(seconds), kilobytes, answer }));
            }
        }
    }
    match best {
        Some((_, chosen)) => Ok(chosen),
        None if kept_by_strictness => Err(Refusal::Strict {
            offered: summary(told),
            only: "what 'ipsec sa policy' and 'ipsec ike pfs' say".to_owned(),
        }),
        None if wrong_mode && kept_out.is_empty() && wanted.udp => Err(Refusal::Unacceptable(
            "the client is behind a NAT but asks for ESP without UDP encapsulation, which would not arrive",
        )),
        None if wrong_mode && kept_out.is_empty() && !wanted.may_udp && offers_udp => {
            Err(Refusal::Unacceptable("the client asks for ESP in UDP, but is behind no NAT and not on UDP port 4500"))
        }
        None if wrong_mode && kept_out.is_empty() => Err(Refusal::Unacceptable(
            "the client does not ask for transport mode, which L2TP/IPsec needs: choose an L2TP/IPsec connection in the client",
        )),
        None => Err(Refusal::NoProposal { offered: summary(told), refused: kept_out.into_iter().collect() }),
    }
}

fn store(v: &wire::isakmp::AttributeValue) -> Value {
    match v {
        wire::isakmp::AttributeValue::Short(n) => Value::Short(*n),
        wire::isakmp::AttributeValue::Long(b) => Value::Long(b.clone()),
    }
}

impl Phase2 {
    /// The SA payload that answers: the chosen transform as offered, with our SPI.
    pub fn answer(&self, offer: (u32, u32), our_spi: u32) -> SecurityAssociation {
        let attributes = self.answer.2.iter().map(|(kind, v)| v.attribute(*kind)).collect();
        SecurityAssociation {
            doi: offer.0,
            situation: offer.1,
            proposals: vec![Proposal {
                number: self.answer.0,
                protocol: Protocol::Esp,
                spi: our_spi.to_be_bytes().to_vec(),
                transforms: vec![Transform { number: self.answer.1, id: self.suite.cipher.to_ike(), attributes }],
            }],
        }
    }
}

/// The offered transforms in words, without repetitions, cut short.
fn summary(told: Vec<String>) -> String {
    let mut seen = Vec::new();
    for t in told {
        if !seen.contains(&t) {
            seen.push(t);
        }
    }
    if seen.is_empty() {
        return "nothing that can be read".to_owned();
    }
    let more = seen.len().saturating_sub(MOST_TOLD);
    seen.truncate(MOST_TOLD);
    let list = seen.join(", ");
    if more > 0 { format!("{list} and {more} more") } else { list }
}

fn tell_phase1(t: &Transform) -> String {
    let n = |kind| value(t, kind);
    let cipher = match (n(phase1::ENCRYPTION), n(phase1::KEY_LENGTH)) {
        (Some(1), _) => "des-cbc".to_owned(),
        (Some(5), _) => "3des-cbc".to_owned(),
        (Some(7), Some(128)) => "aes-cbc".to_owned(),
        (Some(7), Some(bits)) => format!("aes{bits}-cbc"),
        (Some(c), _) => format!("cipher {c}"),
        (None, _) => "no cipher".to_owned(),
    };
    let hash = match n(phase1::HASH) {
        Some(h) => u16::try_from(h)
            .ok()
            .and_then(Hash::from_ike)
            .map_or_else(|| format!("hash {h}"), |h| hash_word(h).to_owned()),
        None => "no hash".to_owned(),
    };
    let group = match n(phase1::GROUP) {
        Some(1) => "modp768".to_owned(),
        Some(g) => u16::try_from(g)
            .ok()
            .and_then(Group::from_ike)
            .map_or_else(|| format!("group {g}"), |g| group_word(g).to_owned()),
        None => "no group".to_owned(),
    };
    format!("{cipher} {hash} {group}")
}

fn tell_phase2(t: &Transform) -> String {
    let bits = value(t, phase2::KEY_LENGTH);
    let cipher = match (t.id, bits) {
        (2, _) => "des-cbc".to_owned(),
        (3, _) => "3des-cbc".to_owned(),
        (11, _) => "null".to_owned(),
        (12, Some(128)) => "aes-cbc".to_owned(),
        (12, Some(b)) => format!("aes{b}-cbc"),
        (13, Some(128)) => "aes-ctr".to_owned(),
        (13, Some(b)) => format!("aes{b}-ctr"),
        (20, Some(128)) => "aes-gcm".to_owned(),
        (20, Some(b)) => format!("aes{b}-gcm"),
        (c, _) => format!("esp transform {c}"),
    };
    match value(t, phase2::AUTHENTICATION) {
        None => cipher,
        Some(1) => format!("{cipher} md5-hmac"),
        Some(2) => format!("{cipher} sha-hmac"),
        Some(5) => format!("{cipher} sha256-hmac"),
        Some(6) => format!("{cipher} sha384-hmac"),
        Some(7) => format!("{cipher} sha512-hmac"),
        Some(a) => format!("{cipher} auth {a}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use wire::isakmp::{Attribute, AttributeValue};

    fn attributes(list: &[(u16, u16)]) -> Vec<Attribute> {
        list.iter().map(|(kind, v)| Attribute { kind: *kind, value: AttributeValue::Short(*v) }).collect()
    }

    fn phase1_offer(transforms: &[(u16, Option<u16>, u16, u16, u16)]) -> SecurityAssociation {
        let transforms = transforms.iter().enumerate().map(|(i, (enc, bits, hash, group, auth))| {
            let mut list = vec![(1, *enc), (2, *hash), (4, *group), (3, *auth), (11, 1), (12, 3600)];
            list.extend(bits.map(|b| (14, b)));
            Transform { number: u8::try_from(i + 1).unwrap(), id: 1, attributes: attributes(&list) }
        });
        let proposals =
            vec![Proposal { number: 1, protocol: Protocol::Isakmp, spi: vec![], transforms: transforms.collect() }];
        SecurityAssociation { doi: 1, situation: 1, proposals }
    }

    fn refuse(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn the_best_offer_wins_whatever_its_place() {
        let offer = phase1_offer(&[(5, None, 2, 2, 1), (7, Some(128), 2, 14, 1), (7, Some(256), 4, 14, 1)]);
        let (chosen, answer) = choose_phase1(&offer, &refuse(&[]), &refuse(&[])).unwrap();
        assert_eq!(chosen.words(), "aes256-cbc sha256 modp2048");
        assert_eq!(answer.proposals[0].transforms, vec![offer.proposals[0].transforms[2].clone()]);
        assert_eq!(chosen.life, Duration::from_secs(3600));
    }

    #[test]
    fn a_refused_word_keeps_an_offer_out_and_the_refusal_names_it() {
        let offer = phase1_offer(&[(5, None, 2, 2, 1)]);
        let Err(Refusal::NoProposal { offered, refused }) = choose_phase1(&offer, &refuse(&["modp1024"]), &refuse(&[]))
        else {
            panic!("taken")
        };
        assert_eq!(offered, "3des-cbc sha modp1024");
        assert_eq!(refused, ["modp1024"]);
    }

    #[test]
    fn aes_without_a_key_length_is_passed_over_alone() {
        let offer = phase1_offer(&[(7, None, 2, 14, 1), (5, None, 2, 14, 1)]);
        assert_eq!(choose_phase1(&offer, &refuse(&[]), &refuse(&[])).unwrap().0.words(), "3des-cbc sha modp2048");
    }

    #[test]
    fn xauth_is_refused_by_name() {
        let offer = phase1_offer(&[(7, Some(256), 2, 14, 65001)]);
        assert_eq!(choose_phase1(&offer, &refuse(&[]), &refuse(&[])).err(), Some(Refusal::AuthenticationMethod(65001)));
    }

    fn phase2_offer(list: &[(u8, &[(u16, u16)])]) -> SecurityAssociation {
        let proposals = list.iter().enumerate().map(|(i, (id, a))| Proposal {
            number: u8::try_from(i + 1).unwrap(),
            protocol: Protocol::Esp,
            spi: vec![1, 2, 3, u8::try_from(i).unwrap()],
            transforms: vec![Transform { number: 1, id: *id, attributes: attributes(a) }],
        });
        SecurityAssociation { doi: 1, situation: 1, proposals: proposals.collect() }
    }

    fn wanted(refused: &BTreeSet<String>, udp: bool) -> Wanted<'_> {
        let preferred = Some(Suite { cipher: EspCipher::Aes128, auth: EspAuth::HmacSha1_96 });
        Wanted { refused, preferred, udp, may_udp: false, udp_mode: 4, strict: None }
    }

    #[test]
    fn the_policy_of_the_configuration_is_taken_first_and_its_own_spi_with_it() {
        let none = refuse(&[]);
        let offer = phase2_offer(&[
            (12, &[(4, 2), (6, 256), (5, 2), (1, 1), (2, 3600)]),
            (12, &[(4, 2), (6, 128), (5, 2), (1, 1), (2, 3600)]),
        ]);
        let chosen = choose_phase2(&offer, &wanted(&none, false)).unwrap();
        assert_eq!(chosen.words(), "esp aes-cbc sha-hmac");
        assert_eq!(chosen.spi, 0x0102_0301);
        assert_eq!(chosen.answer((1, 1), 0x0a0b_0c0d).proposals[0].number, 2);
    }

    #[test]
    fn transport_without_udp_is_refused_behind_a_nat() {
        let none = refuse(&[]);
        let offer = phase2_offer(&[(12, &[(4, 2), (6, 128), (5, 2)])]);
        assert!(matches!(choose_phase2(&offer, &wanted(&none, true)), Err(Refusal::Unacceptable(_))));
        assert!(choose_phase2(&offer, &wanted(&none, false)).is_ok());
        // Who names no mode means transport, and not in UDP.
        let unsaid = phase2_offer(&[(12, &[(6, 128), (5, 2)])]);
        assert!(matches!(choose_phase2(&unsaid, &wanted(&none, true)), Err(Refusal::Unacceptable(_))));
        assert!(choose_phase2(&unsaid, &wanted(&none, false)).is_ok());
    }

    #[test]
    fn an_spi_in_phase_1_has_no_effect() {
        let none = refuse(&[]);
        let mut offer = phase1_offer(&[(7, Some(256), 4, 14, 1)]);
        let (plain, _) = choose_phase1(&offer, &none, &none).unwrap();
        offer.proposals[0].spi = vec![7; 16];
        let (chosen, answer) = choose_phase1(&offer, &none, &none).unwrap();
        assert_eq!((chosen.words(), chosen.life), (plain.words(), plain.life));
        assert_eq!(answer.proposals[0].spi, offer.proposals[0].spi);
    }

    #[test]
    fn null_encryption_is_taken_only_where_the_policy_names_it() {
        let none = refuse(&[]);
        let offer = phase2_offer(&[(11, &[(4, 2), (5, 2)])]);
        assert!(matches!(choose_phase2(&offer, &wanted(&none, false)), Err(Refusal::NoProposal { .. })));
        let null = |auth| Wanted { preferred: Some(Suite { cipher: EspCipher::Null, auth }), ..wanted(&none, false) };
        assert_eq!(choose_phase2(&offer, &null(EspAuth::HmacSha1_96)).unwrap().words(), "esp null sha-hmac");
        let other = choose_phase2(&offer, &null(EspAuth::HmacSha256_128));
        assert!(matches!(other, Err(Refusal::NoProposal { .. })));
    }

    #[test]
    fn seconds_and_kilobytes_are_read_each_after_its_type() {
        let none = refuse(&[]);
        let offer = phase2_offer(&[(12, &[(1, 1), (2, 3600), (1, 2), (2, 50_000), (4, 2), (6, 128), (5, 2)])]);
        let chosen = choose_phase2(&offer, &wanted(&none, false)).unwrap();
        assert_eq!((chosen.life.as_secs(), chosen.kilobytes), (3600, Some(50_000)));
        let bare = phase2_offer(&[(12, &[(4, 2), (6, 128), (5, 2)])]);
        assert_eq!(choose_phase2(&bare, &wanted(&none, false)).unwrap().life, DEFAULT_LIFE);
    }

    #[test]
    fn an_offer_that_contradicts_itself_is_passed_over() {
        let none = refuse(&[]);
        for twice in [&[(4, 2), (6, 128), (6, 256), (5, 2)][..], &[(4, 2), (6, 128), (5, 2), (5, 5)]] {
            let both = phase2_offer(&[(12, twice), (3, &[(4, 2), (5, 2)])]);
            assert_eq!(choose_phase2(&both, &wanted(&none, false)).unwrap().words(), "esp 3des-cbc sha-hmac");
        }
        // The same twice is no contradiction.
        let same = phase2_offer(&[(12, &[(4, 2), (6, 128), (6, 128), (5, 2)])]);
        assert!(choose_phase2(&same, &wanted(&none, false)).is_ok());
        let mut offer = phase1_offer(&[(7, Some(256), 4, 14, 1), (5, None, 2, 14, 1)]);
        offer.proposals[0].transforms[0].attributes.extend(attributes(&[(4, 2)]));
        assert_eq!(choose_phase1(&offer, &none, &none).unwrap().0.words(), "3des-cbc sha modp2048");
    }

    #[test]
    fn sequence_numbers_of_64_bits_and_other_attributes_that_are_not_supported_are_not_agreed_to() {
        let none = refuse(&[]);
        for kind in [7, 8, 9, 10, 11, 12, 13] {
            let offer = phase2_offer(&[(12, &[(4, 2), (6, 128), (5, 2), (kind, 1)]), (3, &[(4, 2), (5, 2)])]);
            assert_eq!(
                choose_phase2(&offer, &wanted(&none, false)).unwrap().words(),
                "esp 3des-cbc sha-hmac",
                "{kind}"
            );
        }
        for kind in [5, 6, 7, 8, 9, 10, 13, 15, 16] {
            let mut offer = phase1_offer(&[(7, Some(256), 4, 14, 1), (5, None, 2, 14, 1)]);
            offer.proposals[0].transforms[0].attributes.extend(attributes(&[(kind, 1)]));
            assert_eq!(choose_phase1(&offer, &none, &none).unwrap().0.words(), "3des-cbc sha modp2048", "{kind}");
        }
        // What has no meaning is read over, and comes back as it was.
        let offer = phase2_offer(&[(12, &[(4, 2), (6, 128), (5, 2), (0x4001, 1)])]);
        let answer = choose_phase2(&offer, &wanted(&none, false)).unwrap().answer((1, 1), 9);
        assert_eq!(answer.proposals[0].transforms, offer.proposals[0].transforms);
    }

    #[test]
    fn another_domain_of_interpretation_and_an_spi_that_is_reserved_are_refused() {
        let none = refuse(&[]);
        let phase1 = SecurityAssociation { doi: 2, ..phase1_offer(&[(7, Some(256), 4, 14, 1)]) };
        assert!(matches!(choose_phase1(&phase1, &none, &none), Err(Refusal::Unacceptable(_))));
        let good = phase2_offer(&[(12, &[(4, 2), (6, 128), (5, 2)])]);
        let phase2 = SecurityAssociation { doi: 2, ..good.clone() };
        assert!(matches!(choose_phase2(&phase2, &wanted(&none, false)), Err(Refusal::Unacceptable(_))));
        for spi in [vec![0, 0, 0, 0], vec![0, 0, 0, 255], vec![], vec![1, 2, 3, 4, 5]] {
            let mut offer = good.clone();
            offer.proposals[0].spi = spi;
            assert!(matches!(choose_phase2(&offer, &wanted(&none, false)), Err(Refusal::NoProposal { .. })));
        }
    }

    #[test]
    fn windows_gets_aes_256_with_the_elliptic_curve_that_it_offers_first() {
        // clients.md 1.1: groups 20, 19, 14 and 2, with SHA-1 throughout.
        let windows = [
            (7, Some(256), 2, 20, 1),
            (7, Some(128), 2, 19, 1),
            (7, Some(256), 2, 14, 1),
            (5, None, 2, 14, 1),
            (5, None, 2, 2, 1),
        ];
        let offer = phase1_offer(&windows);
        let words = |refused: &[&str]| choose_phase1(&offer, &refuse(refused), &refuse(&[])).unwrap().0.words();
        assert_eq!(words(&[]), "aes256-cbc sha ecp384");
        assert_eq!(words(&["ecp384"]), "aes256-cbc sha modp2048");
        assert_eq!(words(&["ecp384", "modp2048"]), "aes-cbc sha ecp256");
        assert_eq!(words(&["aes256-cbc", "aes-cbc"]), "3des-cbc sha modp2048");
    }

    #[test]
    fn groups_are_liked_for_their_strength_and_then_for_their_cost() {
        let order = [19, 31, 20, 14, 21, 15, 16, 17, 18, 5, 2];
        for (at, first) in order.into_iter().enumerate() {
            for second in order.into_iter().skip(at + 1) {
                let offer = phase1_offer(&[(7, Some(256), 2, second, 1), (7, Some(256), 2, first, 1)]);
                let chosen = choose_phase1(&offer, &refuse(&[]), &refuse(&[])).unwrap().0;
                assert_eq!(chosen.group.to_ike(), first, "{first} before {second}");
            }
        }
        // A weak group is not outweighed by a cipher, nor a strong cipher by a large group.
        for (list, expected) in [
            ([(7, Some(256), 4, 2, 1), (5, None, 2, 14, 1)], "3des-cbc sha modp2048"),
            ([(7, Some(128), 4, 18, 1), (7, Some(128), 2, 14, 1)], "aes-cbc sha modp2048"),
            ([(7, Some(128), 4, 19, 1), (7, Some(256), 4, 14, 1)], "aes256-cbc sha256 modp2048"),
        ] {
            let chosen = choose_phase1(&phase1_offer(&list), &refuse(&[]), &refuse(&[])).unwrap().0;
            assert_eq!(chosen.words(), expected);
        }
    }

    #[test]
    fn group_1_and_des_are_refused_and_told() {
        let offer = phase1_offer(&[(1, None, 1, 1, 1), (5, None, 1, 1, 1), (1, None, 2, 2, 1)]);
        let Err(Refusal::NoProposal { offered, .. }) = choose_phase1(&offer, &refuse(&[]), &refuse(&[])) else {
            panic!("taken")
        };
        assert_eq!(offered, "des-cbc md5 modp768, 3des-cbc md5 modp768, des-cbc sha modp1024");
    }

    /// What clients.md 4 says ChromeOS offers.
    #[test]
    fn gcm_offered_first_by_chromeos_is_taken_without_an_authentication_attribute() {
        let none = refuse(&[]);
        let offer = phase2_offer(&[
            (20, &[(6, 128), (4, 2)]),
            (12, &[(6, 128), (5, 5), (4, 2)]),
            (12, &[(6, 128), (5, 2), (4, 2)]),
            (3, &[(5, 2), (4, 2)]),
        ]);
        let any = Wanted { preferred: None, ..wanted(&none, false) };
        let chosen = choose_phase2(&offer, &any).unwrap();
        assert_eq!((chosen.words().as_str(), chosen.spi), ("esp aes-gcm", 0x0102_0300));
        let answer = chosen.answer((1, 1), 0x0a0b_0c0d);
        assert_eq!(answer.proposals[0].transforms, offer.proposals[0].transforms);
        // What the configuration names comes first, and a word keeps GCM out.
        let chosen = choose_phase2(&offer, &wanted(&none, false)).unwrap();
        assert_eq!(chosen.words(), "esp aes-cbc sha-hmac");
        let words = refuse(&["aes-gcm", "sha256"]);
        let chosen = choose_phase2(&offer, &Wanted { refused: &words, ..any });
        assert_eq!(chosen.unwrap().words(), "esp aes-cbc sha-hmac");
    }

    #[test]
    fn ciphers_of_esp_are_liked_in_our_order() {
        let none = refuse(&[]);
        let any = Wanted { preferred: None, ..wanted(&none, false) };
        type Case = (u8, &'static [(u16, u16)], &'static str);
        let order: [Case; 11] = [
            (20, &[(6, 256), (4, 2)], "esp aes256-gcm"),
            (20, &[(6, 128), (4, 2)], "esp aes-gcm"),
            (20, &[(6, 192), (4, 2)], "esp aes192-gcm"),
            (12, &[(6, 256), (5, 5), (4, 2)], "esp aes256-cbc sha256-hmac"),
            (12, &[(6, 256), (5, 2), (4, 2)], "esp aes256-cbc sha-hmac"),
            (12, &[(6, 128), (5, 2), (4, 2)], "esp aes-cbc sha-hmac"),
            (12, &[(6, 192), (5, 7), (4, 2)], "esp aes192-cbc sha512-hmac"),
            (13, &[(6, 256), (5, 2), (4, 2)], "esp aes256-ctr sha-hmac"),
            (13, &[(6, 128), (5, 2), (4, 2)], "esp aes-ctr sha-hmac"),
            (13, &[(6, 192), (5, 6), (4, 2)], "esp aes192-ctr sha384-hmac"),
            (3, &[(5, 1), (4, 2)], "esp 3des-cbc md5-hmac"),
        ];
        for (at, (.., words)) in order.iter().enumerate() {
            let offer: Vec<_> = order.iter().skip(at).rev().map(|(id, a, _)| (*id, *a)).collect();
            assert_eq!(choose_phase2(&phase2_offer(&offer), &any).unwrap().words(), *words);
        }
    }

    #[test]
    fn a_suite_that_authenticates_not_at_all_or_twice_is_passed_over() {
        let none = refuse(&[]);
        for (id, list) in [
            (12, &[(6, 128), (4, 2)][..]),
            (13, &[(6, 128), (4, 2)]),
            (12, &[(6, 128), (5, 0), (4, 2)]),
            (20, &[(6, 128), (5, 2), (4, 2)]),
            // GCM needs its key length; 18 has an ICV of 8 octets.
            (20, &[(4, 2)]),
            (18, &[(6, 128), (4, 2)]),
        ] {
            assert!(matches!(
                choose_phase2(&phase2_offer(&[(id, list)]), &wanted(&none, false)),
                Err(Refusal::NoProposal { .. })
            ));
        }
        // Some write down that there is none.
        let offer = phase2_offer(&[(20, &[(6, 128), (5, 0), (4, 2)])]);
        assert!(choose_phase2(&offer, &wanted(&none, false)).is_ok());
    }
}
