//! What calls may bring along that only one kind of them has: a station takes calls from streams, a carrier carries one
//! where that is not L2TP in ESP, and a companion speaks for one where PPP itself does not.

use crate::event::Event;
use crate::ike::Endpoint;
use crate::path::{ClientId, Update};
use crate::ppp::Link;
use crate::rng::Rng;
use crate::time::Instant;
use command::{Config, Mss, PpRef};
use core::net::SocketAddr;

/// A stream that a client has opened to us, as the world outside numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StreamId(pub u64);

/// What happened to a stream.
#[derive(Clone, Copy, Debug)]
pub enum StreamEvent<'a> {
    /// A client has opened it.
    Opened {
        /// From where.
        peer: SocketAddr,
        /// Our address that it was opened to.
        local: SocketAddr,
    },
    /// Octets came, in whatever pieces.
    Octets(&'a [u8]),
    /// It is gone.
    Closed,
}

/// One kind of things that calls bring along and that nothing else here knows of.
pub(crate) struct Kind {
    /// How a station is made for a configuration; none where it is switched off.
    pub(crate) station: fn(&Config) -> Option<Box<dyn Station>>,
    /// How a companion is made for a call in ESP that ends on this pp, through the tunnel of this number; none where
    /// the configuration asks for none.
    pub(crate) companion: fn(&Config, PpRef, u32) -> Option<Box<dyn Companion>>,
}

/// What a station works with.
pub(crate) struct Surroundings<'a> {
    /// Whether a tunnel interface is free.
    pub(crate) is_free: &'a dyn Fn(u32) -> bool,
    pub(crate) rng: &'a mut Rng,
    pub(crate) now: Instant,
}

/// A call that begins.
pub(crate) struct Ring {
    /// Where the client is.
    pub(crate) endpoint: Endpoint,
    /// The tunnel interface that it takes.
    pub(crate) tunnel: u32,
    /// Our name for the call, and the client's.
    pub(crate) sessions: (u16, u16),
    /// How many packets the client takes before it has acknowledged any.
    pub(crate) window: u16,
    pub(crate) carrier: Box<dyn Carrier>,
}

/// What a station wants done.
pub(crate) enum StationOutput {
    Send {
        stream: StreamId,
        bytes: Vec<u8>,
    },
    Close {
        stream: StreamId,
    },
    Event(Event),
    /// A call begins; its number is told with [`Station::began`] before anything else is asked of the station.
    Ring(Ring),
    /// A call is over.
    Hangup {
        client: u32,
        why: String,
    },
}

/// One kind of calls: its streams, and which call belongs to which.
pub(crate) trait Station {
    /// The service begins or ends.
    fn announce(&mut self, serving: bool);
    /// The configuration is another one: it counts for what begins from here on.
    fn follow(&mut self, config: &Config);
    fn handle_stream(&mut self, stream: StreamId, event: StreamEvent<'_>, cx: Surroundings<'_>);
    /// The call that was announced last is this client's. Where more of the stream may wait behind it, the stream is
    /// named: it wants to be handed no octets, to go on.
    fn began(&mut self, client: u32) -> Option<StreamId>;
    /// A client's call is over, whoever wanted it.
    fn ended(&mut self, client: u32, why: &str, now: Instant);
    fn handle_timeout(&mut self, now: Instant);
    fn poll_timeout(&self) -> Option<Instant>;
    fn poll_output(&mut self) -> Option<StationOutput>;
    /// Its screen, if the word is its own; `call` tells of a client's call in the router's words.
    fn show(&self, word: &str, call: &dyn Fn(u32) -> String) -> Option<String>;
    /// How many streams it holds.
    fn streams(&self) -> usize;
}

/// What a carrier wants done.
pub(crate) enum CarrierOutput {
    /// Send this PPP frame.
    Send(Vec<u8>),
    Path(Update),
    Event(Event),
    /// Ask [`Companion::needs_order`] again.
    Reorder,
    /// End the call, for this reason.
    Hangup(String),
}

/// Whether a frame was the carrier's own affair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// PPP need not see it.
    Yes,
    /// It is PPP's.
    No,
}

/// What of one call's PPP is none of PPP's own affair.
pub(crate) trait Companion {
    /// The client's number.
    fn begin(&mut self, client: ClientId);
    /// A PPP frame of the client.
    fn handle_frame(&mut self, frame: &[u8], link: &Link, rng: &mut Rng, now: Instant) -> Taken;
    /// PPP may have got further.
    fn watch(&mut self, link: &Link, now: Instant);
    fn handle_timeout(&mut self, link: &Link, now: Instant);
    fn poll_timeout(&self) -> Option<Instant>;
    fn poll_output(&mut self) -> Option<CarrierOutput>;
    /// Whether frames must come in the order of their sending, or not at all; [`CarrierOutput::Reorder`] tells of a change.
    fn needs_order(&self) -> bool;
    /// What it adds to the options on the screen of its pp, a line each.
    fn options(&self) -> Vec<String>;
}

/// What carries one call.
pub(crate) trait Carrier: Companion {
    /// Its name on screens.
    fn name(&self) -> &'static str;
    /// The pp that its calls end on.
    fn pp(&self) -> PpRef;
    /// The limit of the MSS that its tunnel interface has.
    fn mss(&self) -> Mss;
    /// IP packets came from the client, or went to it.
    fn saw_traffic(&mut self, data: bool, sent: bool, now: Instant);
    /// What its worker has counted, in words for a screen.
    fn counted(&mut self, words: String);
}

/// What carries a client's call: L2TP in ESP, with a companion or without, or something else. No record has it.
pub(crate) enum Carried {
    /// L2TP in ESP.
    Esp(Option<Box<dyn Companion>>),
    /// Something else.
    Aside(Box<dyn Carrier>),
}

impl Default for Carried {
    fn default() -> Self {
        Self::Esp(None)
    }
}

/// The copy is for a record.
impl Clone for Carried {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Carried {
    /// Whether something else than ESP carries the call.
    pub(crate) fn is_aside(&self) -> bool {
        matches!(self, Self::Aside(_))
    }

    /// Whether the call is no more than its record tells.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Esp(None))
    }

    /// What carries the call where that is not ESP.
    pub(crate) fn get(&self) -> Option<&dyn Carrier> {
        match self {
            Self::Esp(_) => None,
            Self::Aside(carrier) => Some(carrier.as_ref()),
        }
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut dyn Carrier> {
        match self {
            Self::Esp(_) => None,
            Self::Aside(carrier) => Some(carrier.as_mut()),
        }
    }

    pub(crate) fn companion(&self) -> Option<&dyn Companion> {
        match self {
            Self::Esp(companion) => companion.as_deref(),
            Self::Aside(carrier) => Some(carrier.as_ref()),
        }
    }

    pub(crate) fn companion_mut(&mut self) -> Option<&mut dyn Companion> {
        match self {
            Self::Esp(None) => None,
            Self::Esp(Some(companion)) => Some(companion.as_mut()),
            Self::Aside(carrier) => Some(carrier.as_mut()),
        }
    }
}
