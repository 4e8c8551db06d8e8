//! Informational exchanges: Delete, notifications and dead peer detection (RFC 2408 §3.14, §3.15, RFC 3706).

use super::Refusal;
use super::keys::{Cookies, Keys};
use super::main_mode::{find, is_initial_contact};
use wire::isakmp::{Delete, Header, Notification, NotifyType, PayloadType, Protocol, chain};

/// The IPsec DOI (RFC 2407 §4).
pub(super) const DOI: u32 = 1;
/// SPIs that one Delete may name.
const MOST_SPIS: usize = 64;

/// What a client tells in an authenticated informational message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// These ESP SAs of the client are gone: the SPIs are our outbound ones.
    DeleteEsp(Vec<u32>),
    /// These ISAKMP SAs are gone.
    DeleteIsakmp(Vec<Cookies>),
    /// The client remembers nothing of before (RFC 2407 §4.6.3.3).
    InitialContact,
    /// R-U-THERE.
    AreYouThere(u32),
    /// R-U-THERE-ACK.
    IAmHere(u32),
    /// Another notification: its number.
    Other(u16),
}

/// Deciphers and checks an informational message (RFC 2409 §5.7).
pub(super) fn read(keys: &Keys, header: &Header, body: &[u8], iv: &[u8]) -> Result<Vec<News>, Refusal> {
    let (plain, _) =
        keys.decrypt(body, iv).ok_or(Refusal::Unacceptable("an encrypted message that is not whole blocks"))?;
    let payloads = chain(header.next, &plain)?;
    let first = payloads.first().filter(|p| p.kind == PayloadType::Hash).ok_or(Refusal::Missing("hash"))?;
    let end = payloads.last().map_or(first.end, |p| p.end);
    let rest = plain.get(first.end..end).ok_or(Refusal::Missing("hash"))?;
    let expected = keys.message_hash(&[&header.message_id.to_be_bytes(), rest]);
    if find(&payloads, PayloadType::Hash).is_none_or(|h| !crypto::equal(h, &expected)) {
        return Err(Refusal::BadHash);
    }
    let mut news = vec![];
    for p in &payloads {
        if p.kind == PayloadType::Delete {
            news.extend(Delete::decode(p.body).ok().and_then(|d| deleted(&d)));
        } else if is_initial_contact(p) {
            news.push(News::InitialContact);
        } else if p.kind == PayloadType::Notification {
            news.extend(Notification::decode(p.body).ok().map(|n| notified(&n)));
        }
    }
    Ok(news)
}

fn deleted(d: &Delete) -> Option<News> {
    match d.protocol {
        Protocol::Esp => Some(News::DeleteEsp(
            d.spis
                .iter()
                .take(MOST_SPIS)
                .filter_map(|s| s.as_slice().try_into().ok().map(u32::from_be_bytes))
                .collect(),
        )),
        Protocol::Isakmp => Some(News::DeleteIsakmp(
            d.spis
                .iter()
                .take(MOST_SPIS)
                .filter_map(|s| {
                    let both: [u8; 16] = s.as_slice().try_into().ok()?;
                    let (i, r) = both.split_at(8);
                    Some(Cookies { initiator: i.try_into().ok()?, responder: r.try_into().ok()? })
                })
                .collect(),
        )),
        Protocol::Ah | Protocol::IpComp | Protocol::Unknown(_) => None,
    }
}

fn notified(n: &Notification) -> News {
    let sequence = n.data.as_slice().try_into().ok().map(u32::from_be_bytes);
    match (n.kind, sequence) {
        (NotifyType::RUThere, Some(s)) => News::AreYouThere(s),
        (NotifyType::RUThereAck, Some(s)) => News::IAmHere(s),
        (kind, _) => News::Other(kind.into()),
    }
}

fn both(cookies: &Cookies) -> Vec<u8> {
    [cookies.initiator, cookies.responder].concat()
}

fn dpd(kind: NotifyType, cookies: &Cookies, sequence: u32) -> Vec<u8> {
    let data = sequence.to_be_bytes().to_vec();
    Notification { doi: DOI, protocol: Protocol::Isakmp, spi: both(cookies), kind, data }.encode()
}

/// The body of R-U-THERE (RFC 3706 §5.3).
pub(super) fn r_u_there(cookies: &Cookies, sequence: u32) -> Vec<u8> {
    dpd(NotifyType::RUThere, cookies, sequence)
}

/// The body of R-U-THERE-ACK (RFC 3706 §5.3).
pub(super) fn r_u_there_ack(cookies: &Cookies, sequence: u32) -> Vec<u8> {
    dpd(NotifyType::RUThereAck, cookies, sequence)
}

/// The notification that tells why a Quick Mode was refused.
pub(super) fn notify_refusal(kind: NotifyType, header: &Header) -> Vec<u8> {
    let data = header.message_id.to_be_bytes().to_vec();
    Notification { doi: DOI, protocol: Protocol::Esp, spi: vec![], kind, data }.encode()
}

/// The notification that the pair with this inbound SPI is installed (RFC 2408 §3.1).
pub(super) fn connected(spi: u32) -> Vec<u8> {
    let spi = spi.to_be_bytes().to_vec();
    Notification { doi: DOI, protocol: Protocol::Esp, spi, kind: NotifyType::Connected, data: vec![] }.encode()
}

/// The body of a Delete for ESP SAs: our inbound SPIs (RFC 2408 §3.15).
pub(super) fn delete_esp(spis: &[u32]) -> Vec<u8> {
    let spis = spis.iter().map(|s| s.to_be_bytes().to_vec()).collect();
    Delete { doi: DOI, protocol: Protocol::Esp, spis }.encode()
}

/// The body of a Delete for an ISAKMP SA.
pub(super) fn delete_isakmp(cookies: &Cookies) -> Vec<u8> {
    Delete { doi: DOI, protocol: Protocol::Isakmp, spis: vec![both(cookies)] }.encode()
}
