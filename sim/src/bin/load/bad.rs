//! Somebody who answers, and whose third messages of phase 1 carry public values that must not be used (RFC 6989 §2.1):
//! 0, 1, p - 1, p, one octet too few, one too many.

use sim::{Carrier, Layer, Manner, Outer, Peer};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wire::isakmp::{ExchangeType, Flags, Header, PayloadType, chain, encode_chain};

/// So many addresses take turns, from the end of the clients' network.
const FROM: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 1);
const ADDRESSES: u32 = 200;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(20);
/// Pause between exchanges: this is about what they cause, not about how many there can be.
const PAUSE: Duration = Duration::from_millis(2);
/// How many kinds of values there are.
const KINDS: u64 = 6;

/// The prime of group 14 (RFC 3526 §3).
const PRIME: &str = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f\
83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b\
e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
15728e5a8aacaa68ffffffffffffffff";

/// What came of it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tried {
    /// Exchanges whose third message has left.
    pub(crate) exchanges: u64,
    /// Of these, how many were answered: none should be.
    pub(crate) taken: u64,
    /// Octets of datagrams in both directions.
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

/// It is under way, on a thread of its own.
pub(crate) struct Bad {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Tried>,
}

impl Bad {
    pub(crate) fn start(server: Ipv4Addr, psk: Vec<u8>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut tried = Tried::default();
            let mut number = 0;
            while !told.load(Ordering::Relaxed) {
                one(server, &psk, number, &mut tried);
                number += 1;
                std::thread::sleep(PAUSE);
            }
            tried
        });
        Self { stop, thread }
    }

    /// Ends it.
    pub(crate) fn end(self) -> Tried {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the thread of bad public values")
    }
}

/// The value of this kind.
fn value(kind: u64) -> Vec<u8> {
    let octet = |at: usize| u8::from_str_radix(&PRIME[2 * at..][..2], 16).unwrap();
    let mut prime: Vec<u8> = (0..PRIME.len() / 2).map(octet).collect();
    let length = prime.len();
    let small = |last: u8| [vec![0; length - 1], vec![last]].concat();
    match kind {
        0 => small(0),
        1 => small(1),
        2 => {
            // It is odd.
            prime[length - 1] -= 1;
            prime
        }
        3 => prime,
        4 => vec![0x55; length - 1],
        _ => vec![0x55; length + 1],
    }
}

/// The third message with this value; others as they are.
fn spoilt(message: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let (header, body) = Header::decode(message).ok()?;
    if header.exchange != ExchangeType::MainMode
        || header.next != PayloadType::KeyExchange
        || header.flags.has(Flags::ENCRYPTION)
    {
        return None;
    }
    let payloads: Vec<(PayloadType, Vec<u8>)> = chain(header.next, body)
        .ok()?
        .iter()
        .map(|p| (p.kind, if p.kind == PayloadType::KeyExchange { value } else { p.body }.to_vec()))
        .collect();
    Some(header.encode(&encode_chain(&payloads)))
}

/// One exchange, as far as it goes.
fn one(server: Ipv4Addr, psk: &[u8], number: u64, tried: &mut Tried) {
    let address = Ipv4Addr::from(u32::from(FROM) + (number % u64::from(ADDRESSES)) as u32);
    let Ok(socket) = UdpSocket::bind((address, 500)) else { return };
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let manner = Manner { phase1: vec![(7, Some(256), 2, 14)], psk: psk.to_vec(), ..Manner::default() };
    let mut peer = Peer::new(manner, address.into(), server.into(), (7 << 32) | number);
    let third = Arc::new(AtomicBool::new(false));
    let (left, bad) = (third.clone(), value(number % KINDS));
    peer.set_tamper(Some(Box::new(move |layer, octets| {
        if layer == Layer::Isakmp
            && let Some(message) = spoilt(octets, &bad)
        {
            *octets = message;
            left.store(true, Ordering::Relaxed);
        }
    })));
    let start = Instant::now();
    let now = || engine::time::Instant(1_000_000_000).after(start.elapsed());
    peer.dial(now());
    let mut buffer = [0; 4096];
    loop {
        while let Some(packet) = peer.poll_transmit() {
            tried.sent += packet.bytes.len() as u64;
            let _ = socket.send_to(&packet.bytes, packet.to);
        }
        let waits = third.load(Ordering::Relaxed);
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            tried.exchanges += u64::from(waits);
            return;
        };
        tried.received += length as u64;
        // A notification that says no is no acceptance.
        let accepts = Header::decode(&buffer[..length]).is_ok_and(|(h, _)| h.exchange == ExchangeType::MainMode);
        if waits && accepts {
            tried.exchanges += 1;
            tried.taken += 1;
            return;
        }
        let to = SocketAddr::new(address.into(), 500);
        peer.handle_packet(&Outer { carrier: Carrier::Udp, from, to, bytes: buffer[..length].to_vec() }, now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_are_those_that_the_group_refuses() {
        for kind in 0..KINDS {
            assert!(!crypto::Group::Modp2048.may_be_public(&value(kind)), "{kind}");
        }
        let mut last_good = value(2);
        *last_good.last_mut().unwrap() -= 1;
        assert!(crypto::Group::Modp2048.may_be_public(&last_good));
    }
}
