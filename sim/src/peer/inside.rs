//! What a scene needs to speak with the server inside the link itself: frames of any protocol, read as they come.

use super::{Carrier, Outer, Peer};
use crypto::chap::{Shared, mschapv2_nt_response, mschapv2_shared, nt_password_hash};
use engine::time::Instant;
use wire::l2tp::Header;
use wire::ppp::{Protocol, decode_frame, encode_frame};

impl Peer {
    /// The PPP frame in a packet of the server that this client has not been given; nothing if it is something else.
    pub fn read_frame(&mut self, packet: &Outer) -> Option<(Protocol, Vec<u8>)> {
        self.read_data(packet).map(|(_, protocol, payload)| (protocol, payload))
    }

    /// The same, and the number of its data message if it has one.
    pub fn read_data(&mut self, packet: &Outer) -> Option<(Option<u16>, Protocol, Vec<u8>)> {
        let is_ours = packet.to.ip() == self.address && packet.is_esp();
        let datagram = self.esp.open(&packet.bytes).filter(|_| is_ours)?;
        let (header, payload) = Header::decode(datagram.get(8..)?).ok()?;
        if header.control {
            return None;
        }
        let (protocol, payload) = decode_frame(payload).ok()?;
        Some((header.ns, protocol, payload.to_vec()))
    }

    /// What MS-CHAPv2 leaves both sides with (RFC 3079 §3).
    pub fn shared(&self) -> Option<Shared> {
        let (peer, server) = self.ppp.as_ref()?.challenge?;
        let hash = nt_password_hash(&self.password_text());
        let response = mschapv2_nt_response(&server, &peer, self.manner.user.as_bytes(), &hash);
        Some(mschapv2_shared(&hash, &response))
    }

    /// The packets that carry a PPP frame to the server.
    pub fn carry(&mut self, protocol: Protocol, payload: &[u8], now: Instant) -> Vec<Outer> {
        self.send_frame(&encode_frame(protocol, payload), now);
        let packets: Vec<Outer> = std::iter::from_fn(|| self.poll_transmit()).collect();
        packets.into_iter().filter(|p| p.carrier == Carrier::Esp || p.is_esp()).collect()
    }
}
