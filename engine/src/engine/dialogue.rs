//! IKE as the log tells it where `ipsec ike log` asks for it: messages, their payloads, and which keys come about.

use super::Engine;
use crate::event::Event;
use crate::ike::Endpoint;
use crate::outbox::{Outbox, Output};
use crate::time::Instant;
use command::{Config, IkeLog};
use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeSet;
use wire::isakmp::{ExchangeType, Flags, Header, chain};

/// Lines a second at most: messages that anybody can send must not fill the log.
const MOST_LINES: u32 = 500;

/// What is told, and how much of it there was of late.
#[derive(Default)]
pub(super) struct Dialogue {
    /// Whether any gateway is told of.
    on: bool,
    second: Instant,
    lines: u32,
}

impl Dialogue {
    /// Follows a configuration.
    pub(super) fn follow(&mut self, config: &Config) {
        self.on = !config.ike_log.is_empty() || config.gateways.values().any(|gateway| !gateway.log.is_empty());
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if now.since(self.second) >= Duration::from_secs(1) {
            (self.second, self.lines) = (now, 0);
        }
        self.lines = self.lines.saturating_add(1);
        self.lines <= MOST_LINES
    }
}

impl Engine {
    /// What is told about this peer: what is said for all gateways, and for those that may serve it.
    fn ike_log(&self, peer: IpAddr) -> BTreeSet<IkeLog> {
        self.config.ike_log.union(&self.gateways.reach(peer).log).copied().collect()
    }

    fn ike_lines(&mut self, verb: &str, endpoint: Endpoint, bytes: &[u8], now: Instant) -> Vec<Output> {
        let told = self.ike_log(endpoint.peer.ip());
        let mut lines = vec![];
        let Ok((header, body)) = Header::decode(bytes) else { return vec![] };
        if told.contains(&IkeLog::MessageInfo) {
            lines.push(message(verb, endpoint, &header, bytes.len()));
        }
        if told.contains(&IkeLog::PayloadInfo) {
            lines.extend(payloads(&header, body));
        }
        lines.retain(|_| self.dialogue.has_room(now));
        lines.into_iter().map(|text| Output::Event(Event::Ike { text })).collect()
    }

    /// Tells a message that has come.
    pub(super) fn tell_received(&mut self, endpoint: Endpoint, bytes: &[u8], now: Instant, out: &mut Outbox) {
        if self.dialogue.on {
            out.extend(self.ike_lines("recv", endpoint, bytes, now));
        }
    }

    /// Tells the messages that are sent, from place `from` of the box on.
    pub(super) fn tell_sent(&mut self, from: usize, now: Instant, out: &mut Outbox) {
        if self.dialogue.on {
            out.precede(from, |output| match output {
                Output::Send { endpoint, bytes } => self.ike_lines("send", *endpoint, bytes, now),
                _ => vec![],
            });
        }
    }

    /// Tells which keys have come about; never the keys.
    pub(super) fn tell_keys(&mut self, peer: IpAddr, line: impl FnOnce() -> String, now: Instant, out: &mut Outbox) {
        if self.dialogue.on && self.ike_log(peer).contains(&IkeLog::KeyInfo) && self.dialogue.has_room(now) {
            out.push(Output::Event(Event::Ike { text: line() }));
        }
    }
}

fn message(verb: &str, endpoint: Endpoint, header: &Header, octets: usize) -> String {
    let exchange = match header.exchange {
        ExchangeType::MainMode => "Main Mode".to_owned(),
        ExchangeType::Aggressive => "Aggressive Mode".to_owned(),
        ExchangeType::QuickMode => "Quick Mode".to_owned(),
        ExchangeType::Informational => "Informational".to_owned(),
        other => format!("exchange {}", u8::from(other)),
    };
    let way = if verb == "recv" { "from" } else { "to" };
    let hex = |cookie: &[u8]| cookie.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    format!(
        "{verb} {exchange} message {way} {} (cookies {} {}, id {:08x}, {octets} octets)",
        endpoint.peer,
        hex(&header.initiator.0),
        hex(&header.responder.0),
        header.message_id
    )
}

fn payloads(header: &Header, body: &[u8]) -> Vec<String> {
    if header.flags.has(Flags::ENCRYPTION) {
        return vec![format!("  payloads enciphered, {} octets", body.len())];
    }
    match chain(header.next, body) {
        Ok(found) => found.iter().map(|p| format!("  payload {:?}, {} octets", p.kind, p.body.len())).collect(),
        Err(fault) => vec![format!("  payloads cannot be read: {fault}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_messages_does_not_fill_the_log() {
        let mut dialogue = Dialogue::default();
        let now = Instant(1_000_000_000);
        assert_eq!((0..10_000).filter(|_| dialogue.has_room(now)).count(), MOST_LINES as usize);
        assert!(dialogue.has_room(now.after(Duration::from_secs(1))));
    }
}
