//! Messages 1 to 4 of Main Mode (RFC 2409 §5.4) with any responder: what of the processor each exchange costs it.
//!
//! They hold both exponentiations of the responder. Its identity, the secret and all that follows do not matter.

use crate::rounds::median;
use crypto::{Group, KeyPair};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use wire::isakmp::{
    Attribute, AuthenticationMethod, Cookie, ExchangeType, Flags, Header, IkeAttribute, IkeEncryption, IkeHash,
    LifeType, PayloadType, Proposal, Protocol, SecurityAssociation, Transform, chain, encode_chain, vendor,
};

/// The groups that responders are asked for, by number.
const GROUPS: [(&str, Group); 3] = [("2", Group::Modp1024), ("5", Group::Modp1536), ("14", Group::Modp2048)];
/// Public values made before anything is measured, to be sent in turn.
const PAIRS: usize = 16;
/// For how long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// The part of a second in which `/proc` counts processor time.
const TICK: Duration = Duration::from_millis(10);

/// Holds so many exchanges, one after another, with whoever listens at an address; `process` is the responder's.
pub(crate) fn measure(address: &str, process: &str, group: &str, exchanges: &str) -> Result<Value, String> {
    let address: IpAddr = address.parse().map_err(|_| format!("'{address}' is no address"))?;
    let count: usize = exchanges.parse().map_err(|_| format!("'{exchanges}' is no number"))?;
    let named = GROUPS.iter().find(|(name, _)| *name == group);
    let (_, number) = *named.ok_or_else(|| format!("group '{group}' is not one of 2, 5 and 14"))?;
    let publics: Vec<Vec<u8>> =
        (0..PAIRS).map(|at| KeyPair::generate(number, &[at as u8 + 1; 64]).public().to_vec()).collect();
    let offer = offer(number).encode();
    let mut times = Vec::new();
    let (before, start) = (processor_time(process)?, Instant::now());
    for (turn, public) in (0..count).zip(publics.iter().cycle()) {
        let began = Instant::now();
        exchange(turn, (address, 500).into(), &offer, public).map_err(|error| format!("exchange {turn}: {error}"))?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let taken = start.elapsed().as_secs_f64();
    let each = |total: Duration| total.as_secs_f64() * 1e3 / count.max(1) as f64;
    let (cpu, error) = (each(processor_time(process)?.saturating_sub(before)), each(TICK));
    let (middle, rate) = (median(&mut times), count as f64 / taken);
    println!(
        "group {group}: {cpu:.3} ms of the responder's processor each (within {error:.3}), answered in {middle:.2} ms, \
         {rate:.0} a second one after another"
    );
    Ok(json!({ "group": group, "exchanges": count, "cpu_ms": cpu, "median_ms": middle, "rate": rate }))
}

/// AES-128 with SHA-1 and a pre-shared key: every responder takes it.
fn offer(group: Group) -> SecurityAssociation {
    let attributes = vec![
        Attribute::short(IkeAttribute::EncryptionAlgorithm, IkeEncryption::AesCbc),
        Attribute::short(IkeAttribute::KeyLength, 128_u16),
        Attribute::short(IkeAttribute::HashAlgorithm, IkeHash::Sha1),
        Attribute::short(IkeAttribute::AuthenticationMethod, AuthenticationMethod::PreSharedKey),
        Attribute::short(IkeAttribute::GroupDescription, group.to_ike()),
        Attribute::short(IkeAttribute::LifeType, LifeType::Seconds),
        Attribute::short(IkeAttribute::LifeDuration, 28_800_u16),
    ];
    let transforms = vec![Transform { number: 1, id: 1, attributes }];
    let proposals = vec![Proposal { number: 1, protocol: Protocol::Isakmp, spi: Vec::new(), transforms }];
    SecurityAssociation { doi: 1, situation: 1, proposals }
}

/// One exchange, from an address of the loopback network that no other exchange has.
fn exchange(turn: usize, responder: SocketAddr, offer: &[u8], public: &[u8]) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let source = match responder {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::from(0x7f01_0001 + turn as u32)),
        SocketAddr::V6(_) => return Err("the responder's address must be of IPv4".to_owned()),
    };
    let socket = UdpSocket::bind((source, 0)).map_err(told)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(told)?;
    socket.connect(responder).map_err(told)?;
    // No two runs of this program say the same to one responder.
    let initiator = Cookie((u64::from(std::process::id()) << 32 | turn as u64).to_be_bytes());
    // One does not answer who has no NAT traversal.
    let first = [(PayloadType::Sa, offer.to_vec()), (PayloadType::VendorId, vendor::NAT_T_RFC3947.to_vec())];
    socket.send(&message((initiator, Cookie::ZERO), &first)).map_err(told)?;
    let (header, _) = answer(&socket, PayloadType::Sa)?;
    let nonce: Vec<u8> = (0..16).map(|at| (turn >> (at % 4)) as u8 ^ at).collect();
    let third = [(PayloadType::KeyExchange, public.to_vec()), (PayloadType::Nonce, nonce)];
    socket.send(&message((initiator, header.responder), &third)).map_err(told)?;
    let (_, key) = answer(&socket, PayloadType::KeyExchange)?;
    // One leaves out zeros at the left.
    if (public.len() / 2..=public.len()).contains(&key.len()) {
        Ok(())
    } else {
        Err(format!("a public value of {} octets", key.len()))
    }
}

fn message(cookies: (Cookie, Cookie), payloads: &[(PayloadType, Vec<u8>)]) -> Vec<u8> {
    let header = Header {
        initiator: cookies.0,
        responder: cookies.1,
        next: payloads.first().map_or(PayloadType::None, |(kind, _)| *kind),
        version: Header::VERSION,
        exchange: ExchangeType::MainMode,
        flags: Flags(0),
        message_id: 0,
        length: 0,
    };
    header.encode(&encode_chain(payloads))
}

/// What the responder says: its header, and the payload that makes it the message waited for.
fn answer(socket: &UdpSocket, wanted: PayloadType) -> Result<(Header, Vec<u8>), String> {
    let mut buffer = [0; 4096];
    let len = socket.recv(&mut buffer).map_err(|error| error.to_string())?;
    let datagram = buffer.get(..len).unwrap_or_default();
    let (header, body) = Header::decode(datagram).map_err(|error| error.to_string())?;
    let payloads = chain(header.next, body).map_err(|error| error.to_string())?;
    let found = payloads.iter().find(|payload| payload.kind == wanted);
    let found = found.ok_or_else(|| format!("an answer in {:?} without {wanted:?}", header.exchange))?;
    Ok((header, found.body.to_vec()))
}

/// What a process has had of the processor, all its threads together.
fn processor_time(process: &str) -> Result<Duration, String> {
    let path = format!("/proc/{process}/stat");
    let stat = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    ticks(&stat).map(|ticks| TICK * ticks).ok_or_else(|| format!("{path} is not as expected"))
}

/// The ticks in user space and in the kernel; the program's name may hold blanks and parentheses.
fn ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_processor_time_of_a_process_is_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 8 7 6 120 34 5 6 20 0 1 0 99 0 0";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(ticks("7 (a"), None);
        assert!(processor_time("self").is_ok());
    }

    /// A responder that answers as Main Mode has it, and one that answers something else.
    #[test]
    fn an_exchange_counts_only_with_the_public_value_of_the_responder() {
        for (kind, right) in [(PayloadType::KeyExchange, true), (PayloadType::Notification, false)] {
            let responder = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = responder.local_addr().unwrap();
            let outcome = std::thread::scope(|scope| {
                scope.spawn(|| {
                    for payload in [(PayloadType::Sa, offer(Group::Modp1024).encode()), (kind, vec![5; 128])] {
                        let mut buffer = [0; 4096];
                        let (len, from) = responder.recv_from(&mut buffer).unwrap();
                        let (header, _) = Header::decode(&buffer[..len]).unwrap();
                        let answer = message((header.initiator, Cookie([9; 8])), &[payload]);
                        responder.send_to(&answer, from).unwrap();
                    }
                });
                exchange(3, address, &offer(Group::Modp1024).encode(), &[2; 128])
            });
            assert_eq!(outcome.is_ok(), right, "{outcome:?}");
        }
    }
}
