//! SAs that nobody has vouched for yet: what comes on them, or waits for them, is kept for a moment and then passed on or dropped.

use super::table::Endpoint;
use super::{ClientId, Departure, Encap, HEADROOM, Note, Out, SealedPacket, Spi, TAILROOM, Verdict, Worker};
use crate::time::Instant;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many packets are held in all, and for one client.
const MOST_HELD: usize = 4096;
const MOST_HELD_PER_CLIENT: usize = 512;
/// What was held for longer than this is of no use to anybody.
const HELD_FOR: Duration = Duration::from_secs(3);

/// A packet that waits for its SA to be trusted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Held {
    /// A data frame of a client.
    In {
        /// Our SPI of the SA.
        spi: Spi,
        /// The tunnel that it names.
        tunnel_id: u16,
        /// The session that it names.
        session_id: u16,
        /// The PPP frame.
        frame: Vec<u8>,
    },
    /// An IP packet to a client.
    Out {
        /// The packet.
        packet: Vec<u8>,
    },
}

/// All packets that wait, in the order of their coming.
#[derive(Default)]
pub(super) struct Hold {
    queue: VecDeque<(Instant, ClientId, Held)>,
}

impl Hold {
    /// Keeps a packet if there is room for it.
    fn keep(&mut self, client: ClientId, held: Held, now: Instant) {
        while self.queue.front().is_some_and(|(since, ..)| now.since(*since) > HELD_FOR) {
            self.queue.pop_front();
        }
        let of_client = self.queue.iter().filter(|(_, whose, _)| *whose == client).count();
        if self.queue.len() < MOST_HELD && of_client < MOST_HELD_PER_CLIENT {
            self.queue.push_back((now, client, held));
        }
    }

    /// Takes out what passes on because this SA is trusted, or because its client can be sent to again.
    fn release(&mut self, client: ClientId, trusted: Spi, now: Instant) -> Vec<Held> {
        let (mut free, mut kept) = (Vec::new(), VecDeque::new());
        for (since, whose, held) in self.queue.drain(..) {
            let passes = match &held {
                Held::In { spi, .. } => *spi == trusted,
                Held::Out { .. } => whose == client,
            };
            if now.since(since) > HELD_FOR {
                continue;
            }
            if passes { free.push(held) } else { kept.push_back((since, whose, held)) }
        }
        self.queue = kept;
        free
    }

    /// What waits for one client waits for another from here on.
    fn hand_over(&mut self, from: ClientId, to: ClientId) {
        self.queue.iter_mut().filter(|(_, whose, _)| *whose == from).for_each(|held| held.1 = to);
    }

    /// What waits for this client.
    pub(super) fn snapshot(&self, client: ClientId) -> Vec<(Instant, Held)> {
        let of_client = self.queue.iter().filter(|(_, whose, _)| *whose == client);
        of_client.map(|(since, _, held)| (*since, held.clone())).collect()
    }

    /// What has waited elsewhere for this client.
    pub(super) fn restore(&mut self, client: ClientId, held: Vec<(Instant, Held)>) {
        for (since, held) in held {
            self.keep(client, held, since);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// The client is gone.
    pub(super) fn forget(&mut self, client: ClientId) {
        self.queue.retain(|(_, whose, _)| *whose != client);
    }
}

impl Worker {
    /// Nothing of a session passes on this SA, either way, until it is trusted.
    pub(super) fn distrust(&mut self, spi: Spi) -> bool {
        self.table.set_trust(spi, false)
    }

    /// The SA carries its client's session from here on, and what was held for this passes.
    pub(super) fn trust(&mut self, spi: Spi, now: Instant) -> bool {
        let Some(client) = self.table.owner_of(spi).filter(|_| self.table.set_trust(spi, true)) else {
            return false;
        };
        for held in self.hold.release(client, spi, now) {
            match held {
                Held::In { tunnel_id, session_id, mut frame, .. } => {
                    let at = self.table.place_of(client);
                    let of = at.and_then(|at| self.table.with_session(at, (tunnel_id, session_id)));
                    let Some(of) = of else { continue };
                    let whole = 0..frame.len();
                    let passed = self.receive_data(of, None, &mut frame, whole, now);
                    if let Ok(Verdict::Ip(place)) = passed
                        && let Some(packet) = frame.get(place)
                    {
                        self.replies.push_back(packet.to_vec());
                    }
                }
                Held::Out { packet } => self.depart_late(&packet, now),
            }
        }
        true
    }

    /// A frame came on an SA that does not carry that session: the engine learns of it, and IP waits for its judgement.
    pub(super) fn stray(
        &mut self,
        client: usize,
        (spi, place): (Spi, (SocketAddr, IpAddr)),
        (tunnel_id, session_id): (u16, u16),
        frame: &[u8],
        now: Instant,
    ) -> Result<Verdict, super::Drop> {
        let id = self.id_of(client)?;
        let (protocol, _) = wire::ppp::decode_frame(frame).map_err(|_| super::Drop::BadPpp)?;
        let is_data = matches!(protocol, wire::ppp::Protocol::Ipv4 | wire::ppp::Protocol::Ipv6);
        let ppp = if is_data {
            self.hold.keep(id, Held::In { spi, tunnel_id, session_id, frame: frame.to_vec() }, now);
            wire::ppp::encode_frame(protocol, &[])
        } else {
            frame.to_vec()
        };
        self.allow_control(client, now)?;
        self.note_control(Note::Stray { client: id, spi, place, tunnel_id, session_id, ppp })
    }

    /// A packet for a client whose only SAs are not trusted yet.
    pub(super) fn wait_for_trust(&mut self, client: ClientId, packet: &[u8], now: Instant) {
        self.hold.keep(client, Held::Out { packet: packet.to_vec() }, now);
    }

    /// Sends a packet that had to wait.
    fn depart_late(&mut self, packet: &[u8], now: Instant) {
        let mut buffer = vec![0; HEADROOM + packet.len() + TAILROOM];
        if let Some(place) = buffer.get_mut(HEADROOM..HEADROOM + packet.len()) {
            place.copy_from_slice(packet);
        }
        let mut batch = [Departure::new(&mut buffer, HEADROOM, packet.len())];
        self.outbound(&mut batch, now);
        let [departure] = batch;
        if let Out::Sealed { range, peer, local, encap } = departure.result {
            self.queue_sealed(departure.buf, range, peer, local, encap);
        }
    }

    fn queue_sealed(&mut self, buffer: &[u8], range: Range<usize>, peer: SocketAddr, local: IpAddr, encap: Encap) {
        if let Some(bytes) = buffer.get(range) {
            self.sealed.push_back(SealedPacket { bytes: bytes.to_vec(), peer, local, encap });
        }
    }

    /// Seals a PPP frame of `session`'s owner on the pair that this SPI of ours belongs to, whoever has made it.
    pub(super) fn seal_on(&mut self, session: ClientId, spi: Spi, place: (SocketAddr, IpAddr), ppp: &[u8]) -> bool {
        let Some(template) = self.table.next_template(session) else { return false };
        // The pair may have ended while the frame was under way.
        let Some((id, at, endpoint)) = self.table.pair_of(spi) else { return true };
        let endpoint = Endpoint { peer: place.0, local: place.1, ..endpoint };
        let set_lengths = |payload: &mut [u8]| template.set_lengths(payload);
        self.seal_at(id, at, endpoint, set_lengths, &[template.headers_without_ppp(), ppp])
    }

    /// SAs of one client go over to another, which they have been proved to belong to.
    pub(super) fn adopt(&mut self, from: ClientId, to: ClientId) -> bool {
        self.hold.hand_over(from, to);
        self.table.adopt(from, to)
    }
}

impl super::table::Table {
    /// The client, the outbound SA and the place of the pair that this inbound SPI belongs to.
    fn pair_of(&self, spi: Spi) -> Option<(ClientId, usize, Endpoint)> {
        let sa = self.inbound.get(self.place_of_spi(spi.0)?)?;
        let client = self.clients.get(sa.client)?;
        let at = self.find_outbound(client, |sa| sa.paired == spi)?;
        Some((client.id, at, client.endpoint?))
    }
}
