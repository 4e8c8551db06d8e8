//! A user who came in by CHAP is asked once more (RFC 1994 §2), where the question may go another way than the session.

use super::auth::{Attempt, AuthStep, Authenticator, Method, Verdict};
use crate::rng::Rng;
use crate::time::{Instant, Retry};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use wire::ppp::{Packet, decode_frame, encode_frame};

/// The first repeat comes soon: the SA on which the question goes may be younger at the client than here. It may come
/// before an answer could: each repeat is another question, and only what answers the last one counts, for a client holds
/// the outcome against its last answer.
const AGAIN: Retry = Retry { first: Duration::from_millis(300), factor: 2, cap: Duration::from_secs(4), tries: 7 };

/// One question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rechallenge {
    auth: Authenticator,
}

/// What comes of it.
#[derive(Debug)]
#[must_use]
pub enum Asked {
    /// Nothing yet.
    Nothing,
    /// Send this frame.
    Send(Vec<u8>),
    /// Have this judged, then call [`Rechallenge::tell`].
    Judge(Attempt),
    /// There was no answer.
    GaveUp,
}

impl Rechallenge {
    /// Asks by this method; nothing for PAP, which proves nothing new by being repeated.
    pub(super) fn start(method: Method, name: &str, rng: &mut Rng, now: Instant) -> Option<(Self, Vec<u8>)> {
        let (auth, AuthStep::Send(packet)) = Authenticator::ask(method, name, AGAIN, rng, now) else { return None };
        let frame = encode_frame(method.protocol(), &packet);
        Some((Self { auth }, frame))
    }

    /// A frame of the client.
    pub fn receive(&mut self, frame: &[u8], rng: &mut Rng, now: Instant) -> Asked {
        let Ok((protocol, payload)) = decode_frame(frame) else { return Asked::Nothing };
        if protocol != self.auth.method().protocol() {
            return Asked::Nothing;
        }
        let Ok(packet) = Packet::decode(payload) else { return Asked::Nothing };
        let step = self.auth.receive(&packet, rng, now);
        self.asked(step)
    }

    /// The judgement: a frame that tells the client.
    pub fn tell(&mut self, verdict: &Verdict, rng: &mut Rng, now: Instant) -> Option<Vec<u8>> {
        let packet = self.auth.tell(verdict, rng, now)?;
        Some(encode_frame(self.auth.method().protocol(), &packet))
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.auth.poll_timeout()
    }

    /// The question may have to be asked again.
    pub fn handle_timeout(&mut self, rng: &mut Rng, now: Instant) -> Asked {
        let step = match self.auth.handle_timeout(now) {
            AuthStep::Send(packet) => AuthStep::Send(self.auth.ask_anew(rng).unwrap_or(packet)),
            step => step,
        };
        self.asked(step)
    }

    /// The question anew, before its time: another way has opened to the client. Nothing where it has been answered.
    pub fn ask_anew(&mut self, rng: &mut Rng) -> Option<Vec<u8>> {
        let packet = self.auth.ask_anew(rng)?;
        Some(encode_frame(self.auth.method().protocol(), &packet))
    }

    /// What the link goes on with: whoever missed the outcome may ask for it.
    pub(super) fn into_authenticator(self) -> Authenticator {
        self.auth
    }

    fn asked(&self, step: AuthStep) -> Asked {
        match step {
            AuthStep::Nothing => Asked::Nothing,
            AuthStep::Send(packet) | AuthStep::Done(packet) => {
                Asked::Send(encode_frame(self.auth.method().protocol(), &packet))
            }
            AuthStep::Judge(attempt) => Asked::Judge(attempt),
            AuthStep::NoAnswer | AuthStep::OtherType(_) => Asked::GaveUp,
        }
    }
}
