//! UDP port 68 on the interfaces of LANs whose DHCP servers are asked for callers' addresses.

use crate::host::Host;
use crate::udp::bind_to_device;
use command::Config;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with, sockopt};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use wire::inside::dhcp::{CLIENT_PORT, SERVER_PORT};

/// Messages taken from one socket in one go.
const BATCH: usize = 64;
/// Room for one message, in octets: what fits into an Ethernet frame, and one more, by which longer ones are known.
const ROOM: usize = 1501;

/// What is in the way, unless it is what was told of that LAN last.
type Untold = Option<String>;

/// The sockets, by LAN.
#[derive(Debug, Default)]
pub(crate) struct Lans {
    open: BTreeMap<String, UdpSocket>,
    /// What was told last about a LAN that cannot be used.
    told: BTreeMap<String, String>,
}

impl Lans {
    /// Opens what a configuration asks for; gives a sentence for each that cannot be had.
    pub(crate) fn prepare(&mut self, config: &Config, host: &mut Host) -> Vec<String> {
        asked(config).filter_map(|lan| self.find(lan, config, host).err()?).collect()
    }

    /// Sends a message to a LAN's DHCP server, or to all.
    pub(crate) fn send(
        &mut self,
        (lan, server, bytes): (&str, Option<Ipv4Addr>, &[u8]),
        config: &Config,
        host: &mut Host,
    ) -> Result<(), Untold> {
        let to = SocketAddrV4::new(server.unwrap_or(Ipv4Addr::BROADCAST), SERVER_PORT);
        let sent = self.find(lan, config, host)?.send_to(bytes, to);
        let Err(error) = sent else { return Ok(()) };
        // The interface may have gone and come back as another one.
        self.open.remove(lan);
        let again = self.find(lan, config, host)?.send_to(bytes, to);
        match again {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(self.tell(lan, format!("DHCP cannot be sent to {lan}: {error}; see 'ip link' and 'ip address'")))
            }
        }
    }

    /// The sockets that messages may come in by.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.open.values()
    }

    /// What has come, with its LAN.
    pub(crate) fn receive(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        let mut room = [0; ROOM];
        for (lan, socket) in &self.open {
            // What cannot be received is lost like anything on a network.
            for _ in 0..BATCH {
                let Ok(length) = socket.recv(&mut room) else { break };
                if let Some(message) = room.get(..length).filter(|message| message.len() < ROOM) {
                    all.push((lan.clone(), message.to_vec()));
                }
            }
        }
        all
    }

    fn find(&mut self, lan: &str, config: &Config, host: &mut Host) -> Result<&UdpSocket, Untold> {
        if !self.open.contains_key(lan) {
            match open_on(lan, config, host) {
                Ok(socket) => {
                    self.told.remove(lan);
                    self.open.insert(lan.to_owned(), socket);
                }
                Err(sentence) => return Err(self.tell(lan, sentence)),
            }
        }
        self.open.get(lan).ok_or(None)
    }

    fn tell(&mut self, lan: &str, sentence: String) -> Untold {
        let before = self.told.insert(lan.to_owned(), sentence.clone());
        (before.as_ref() != Some(&sentence)).then_some(sentence)
    }
}

/// LANs whose DHCP servers a configuration asks.
fn asked(config: &Config) -> impl Iterator<Item = &str> {
    config.pps.values().chain([&config.anonymous]).filter_map(|pp| pp.from_lan.as_deref())
}

fn open_on(lan: &str, config: &Config, host: &mut Host) -> Result<UdpSocket, String> {
    let Some((address, _)) = config.lans.get(lan).and_then(|lan| lan.address) else {
        return Err(format!("DHCP cannot be asked on {lan}, which has no 'ip {lan} address ADDRESS/MASK'"));
    };
    let Some(interface) = host.interface_of(address) else {
        return Err(format!(
            "DHCP cannot be asked on {lan}: no interface of this host has its address {address}; write the one that it has \
             with 'ip {lan} address'"
        ));
    };
    let name = interface.name;
    open(&name).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "DHCP cannot be asked on {lan} ({name}): UDP port 68 is held by a DHCP client that shares it with nobody; see \
             with 'ss -lunp sport = :68' who, and give {name} a fixed address"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "DHCP cannot be asked on {lan} ({name}): UDP port 68 needs root or the capabilities CAP_NET_BIND_SERVICE and \
             CAP_NET_RAW"
        ),
        _ => format!("DHCP cannot be asked on {lan} ({name}): {error}"),
    })
}

/// A socket of port 68 that hears and speaks on one interface alone, beside the host's own DHCP client.
fn open(interface: &str) -> io::Result<UdpSocket> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_broadcast(&socket, true)?;
    bind_to_device(socket.as_fd(), interface)?;
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT))?;
    Ok(UdpSocket::from(socket))
}
