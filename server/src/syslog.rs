//! The log as datagrams to the hosts of `syslog host`, sent by a thread of its own: a name that must be looked up stalls
//! nobody.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use command::{Syslog, SyslogForm};
use engine::event::Level;

/// Where collectors listen (RFC 3164 §2).
const PORT: u16 = 514;
/// The longest text of a line, in characters (yamaha.md §6.1).
const LONGEST: usize = 231;
/// Lines that may wait; what comes beyond is not sent.
const WAITING: usize = 4096;
/// How long a name that was looked up is believed.
const BELIEVED: Duration = Duration::from_secs(300);
/// How long a name that could not be looked up is let be.
const LATER: Duration = Duration::from_secs(30);

/// Where lines are handed in.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    queue: SyncSender<Message>,
}

#[derive(Debug)]
enum Message {
    Settings(Box<Syslog>),
    Line(Level, String),
}

impl Collector {
    /// Starts the thread; without hosts it sends nothing.
    pub(crate) fn start() -> io::Result<Self> {
        let (queue, waiting) = sync_channel(WAITING);
        std::thread::Builder::new().name("syslog".into()).spawn(move || forward(&waiting))?;
        Ok(Self { queue })
    }

    /// Follows other lines of `syslog …` from here on.
    pub(crate) fn configure(&self, settings: &Syslog) {
        let _ = self.queue.try_send(Message::Settings(Box::new(settings.clone())));
    }

    /// Sends a line; one that finds the queue full is lost, like any datagram.
    pub(crate) fn send(&self, level: Level, text: &str) {
        let _ = self.queue.try_send(Message::Line(level, text.to_owned()));
    }
}

fn forward(queue: &Receiver<Message>) {
    let mut sender = Sender::default();
    for message in queue {
        match message {
            Message::Settings(settings) if *settings == sender.settings => {}
            Message::Settings(settings) => sender = Sender { settings: *settings, ..Sender::default() },
            Message::Line(level, text) => sender.send(level, &text),
        }
    }
}

/// A host and what its name came to.
type Host = (String, Option<SocketAddr>, Instant);

/// The thread's own: settings, socket, addresses.
#[derive(Debug, Default)]
struct Sender {
    settings: Syslog,
    sockets: [Option<UdpSocket>; 2],
    hosts: Vec<Host>,
}

impl Sender {
    fn send(&mut self, level: Level, text: &str) {
        if self.settings.hosts.is_empty() {
            return;
        }
        let packet = packet(&self.settings, level, text, &jiff::Zoned::now());
        for at in 0..self.settings.hosts.len() {
            let Some(to) = self.address(at) else { continue };
            let Some(socket) = self.socket(to) else { continue };
            // A collector that is away is no fault of ours.
            let _ = socket.send_to(packet.as_bytes(), to);
        }
    }

    fn address(&mut self, at: usize) -> Option<SocketAddr> {
        let name = self.settings.hosts.get(at)?;
        let known = self.hosts.iter().position(|(host, ..)| host == name);
        if let Some((_, address, until)) = known.and_then(|at| self.hosts.get(at))
            && *until > Instant::now()
        {
            return *address;
        }
        let found = (name.as_str(), PORT).to_socket_addrs().ok().and_then(|mut all| all.next());
        let until = Instant::now() + if found.is_some() { BELIEVED } else { LATER };
        let name = name.clone();
        self.hosts.retain(|(host, ..)| *host != name);
        self.hosts.push((name, found, until));
        found
    }

    /// The socket for one version of IP, from the port and address that the configuration names; from any where those are
    /// taken or not ours.
    fn socket(&mut self, to: SocketAddr) -> Option<&UdpSocket> {
        let (slot, any) = match to {
            SocketAddr::V4(_) => (0, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            SocketAddr::V6(_) => (1, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        let slot = self.sockets.get_mut(slot)?;
        if slot.is_none() {
            let local = self.settings.local_address.filter(|local| local.is_ipv4() == to.is_ipv4()).unwrap_or(any);
            let wanted = UdpSocket::bind((local, self.settings.source_port));
            let socket = wanted.or_else(|_| UdpSocket::bind((local, 0))).or_else(|_| UdpSocket::bind((any, 0))).ok()?;
            // The operator's collector must not stall the thread.
            socket.set_nonblocking(true).ok()?;
            *slot = Some(socket);
        }
        slot.as_ref()
    }
}

/// A datagram (yamaha.md §6.1): in the router's own form with neither time nor host.
fn packet(settings: &Syslog, level: Level, text: &str, now: &jiff::Zoned) -> String {
    let severity = match level {
        Level::Notice => 5,
        Level::Info => 6,
        Level::Debug => 7,
    };
    let priority = u32::from(settings.facility) * 8 + severity;
    let text: String = text.chars().take(LONGEST).collect();
    let host = settings.hostname.as_deref().unwrap_or(command::MODEL);
    match settings.form {
        SyslogForm::Yamaha => format!("<{priority}>{text}"),
        SyslogForm::Rfc3164 => format!("<{priority}>{} {host} {text}", now.strftime("%b %e %H:%M:%S")),
        SyslogForm::Rfc5424 => {
            format!("<{priority}>1 {} {host} - - - - {text}", now.strftime("%Y-%m-%dT%H:%M:%S%:z"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    fn at() -> jiff::Zoned {
        jiff::civil::date(2026, 4, 5).at(9, 30, 0, 0).to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(9))).unwrap()
    }

    #[test]
    fn a_datagram_has_the_form_that_the_configuration_names() {
        let mut settings = Syslog::default();
        let told = |settings: &Syslog, level| packet(settings, level, "[L2TP] TUNNEL[1] connected", &at());
        assert_eq!(told(&settings, Level::Info), "<14>[L2TP] TUNNEL[1] connected");
        assert_eq!(told(&settings, Level::Notice), "<13>[L2TP] TUNNEL[1] connected");
        assert_eq!(told(&settings, Level::Debug), "<15>[L2TP] TUNNEL[1] connected");
        settings.facility = 21;
        assert_eq!(told(&settings, Level::Info), "<174>[L2TP] TUNNEL[1] connected");
        settings.form = SyslogForm::Rfc3164;
        settings.hostname = Some("gate".to_owned());
        assert_eq!(told(&settings, Level::Info), "<174>Apr  5 09:30:00 gate [L2TP] TUNNEL[1] connected");
        settings.form = SyslogForm::Rfc5424;
        assert_eq!(
            told(&settings, Level::Info),
            "<174>1 2026-04-05T09:30:00+09:00 gate - - - - [L2TP] TUNNEL[1] connected"
        );
    }

    #[test]
    fn a_line_is_cut_where_the_router_cuts_it() {
        assert_eq!(packet(&Syslog::default(), Level::Info, &"x".repeat(500), &at()).len(), 4 + LONGEST);
    }
}
