//! Interfaces, addresses, routes and proxy neighbours of the host, read and changed over rtnetlink without waiting
//! for anything.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeader, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// How many datagrams one dump may take before it is given up.
const MAX_DUMP_DATAGRAMS: usize = 100_000;

/// One network interface with its IPv4 addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) up: bool,
    pub(crate) loopback: bool,
    pub(crate) mtu: u32,
    /// Addresses with their prefix lengths, in the kernel's order (primary ones first).
    pub(crate) addresses: Vec<(Ipv4Addr, u8)>,
}

/// One unicast route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) destination: Ipv4Addr,
    pub(crate) prefix: u8,
    /// Index of the interface it leaves by (the first one of a multipath route).
    pub(crate) interface: u32,
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) metric: u32,
}

/// A socket to the kernel's routing side.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl std::fmt::Debug for Netlink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Netlink").finish_non_exhaustive()
    }
}

impl Netlink {
    /// Opens the socket; needs no privilege.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends one request and gathers what is answered until the kernel says that it is done.
    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        let mut octets = vec![0; packet.buffer_len()];
        packet.serialize(&mut octets);
        self.socket.send(&octets, 0)?;
        let mut answers = Vec::new();
        for _ in 0..MAX_DUMP_DATAGRAMS {
            let (datagram, _) = self.socket.recv_from_full()?;
            if self.gather(&datagram, &mut answers)? {
                return Ok(answers);
            }
        }
        Err(io::Error::other("the kernel's answer does not end"))
    }

    /// Takes the messages of one datagram; true when the answer is complete.
    fn gather(&self, datagram: &[u8], answers: &mut Vec<RouteNetlinkMessage>) -> io::Result<bool> {
        let mut rest = datagram;
        while rest.len() >= 16 {
            let [a, b, c, d, ..] = rest else { break };
            let length = u32::from_ne_bytes([*a, *b, *c, *d]) as usize;
            let Some(one) = rest.get(..length).filter(|_| length >= 16) else {
                break;
            };
            // A message of a kind this library cannot read (a new attribute, say) is passed over, not fatal.
            if let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(one)
                && message.header.sequence_number == self.sequence
            {
                match message.payload {
                    NetlinkPayload::Done(_) => return Ok(true),
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(true),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    _ => {}
                }
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(false)
    }

    /// All interfaces with their IPv4 addresses, by index.
    pub(crate) fn interfaces(&mut self) -> io::Result<Vec<Interface>> {
        let mut interfaces = Vec::new();
        for answer in self.request(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP)? {
            let RouteNetlinkMessage::NewLink(link) = answer else {
                continue;
            };
            let mut interface = Interface {
                index: link.header.index,
                name: String::new(),
                up: link.header.flags.contains(LinkFlags::Up),
                loopback: link.header.flags.contains(LinkFlags::Loopback),
                mtu: 0,
                addresses: Vec::new(),
            };
            for attribute in link.attributes {
                match attribute {
                    LinkAttribute::IfName(name) => interface.name = name,
                    LinkAttribute::Mtu(mtu) => interface.mtu = mtu,
                    _ => {}
                }
            }
            interfaces.push(interface);
        }
        let mut ask = AddressMessage::default();
        ask.header = AddressHeader { family: AddressFamily::Inet, ..AddressHeader::default() };
        for answer in self.request(RouteNetlinkMessage::GetAddress(ask), NLM_F_DUMP)? {
            let RouteNetlinkMessage::NewAddress(message) = answer else {
                continue;
            };
            // On a point-to-point link `Address` is the other end's, `Local` is ours.
            let mut found = None;
            for attribute in &message.attributes {
                match attribute {
                    AddressAttribute::Local(IpAddr::V4(a)) => found = Some(*a),
                    AddressAttribute::Address(IpAddr::V4(a)) if found.is_none() => found = Some(*a),
                    _ => {}
                }
            }
            let owner = interfaces.iter_mut().find(|i| i.index == message.header.index);
            if let (Some(address), Some(interface)) = (found, owner) {
                interface.addresses.push((address, message.header.prefix_len));
            }
        }
        interfaces.sort_by_key(|i| i.index);
        Ok(interfaces)
    }

    /// All IPv4 unicast routes of the main table.
    pub(crate) fn routes(&mut self) -> io::Result<Vec<Route>> {
        let mut ask = RouteMessage::default();
        ask.header.address_family = AddressFamily::Inet;
        let mut routes = Vec::new();
        for answer in self.request(RouteNetlinkMessage::GetRoute(ask), NLM_F_DUMP)? {
            let RouteNetlinkMessage::NewRoute(message) = answer else {
                continue;
            };
            let in_main = message.header.table == RouteHeader::RT_TABLE_MAIN;
            if !in_main || message.header.kind != RouteType::Unicast {
                continue;
            }
            let mut route = Route {
                destination: Ipv4Addr::UNSPECIFIED,
                prefix: message.header.destination_prefix_length,
                interface: 0,
                gateway: None,
                metric: 0,
            };
            for attribute in message.attributes {
                match attribute {
                    RouteAttribute::Destination(RouteAddress::Inet(a)) => route.destination = a,
                    RouteAttribute::Gateway(RouteAddress::Inet(a)) => route.gateway = Some(a),
                    RouteAttribute::Oif(index) => route.interface = index,
                    RouteAttribute::Priority(metric) => route.metric = metric,
                    RouteAttribute::MultiPath(hops) if route.interface == 0 => {
                        route.interface = hops.first().map_or(0, |hop| hop.interface_index);
                    }
                    _ => {}
                }
            }
            routes.push(route);
        }
        Ok(routes)
    }

    /// The index of the interface with this name.
    pub(crate) fn index_of(&mut self, name: &str) -> io::Result<u32> {
        let found = self.interfaces()?.into_iter().find(|i| i.name == name);
        found.map(|i| i.index).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no interface {name}")))
    }

    /// Gives an interface the address `address`/32.
    pub(crate) fn add_address(&mut self, address: Ipv4Addr, interface: u32) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header =
            AddressHeader { family: AddressFamily::Inet, prefix_len: 32, index: interface, ..AddressHeader::default() };
        message.attributes = vec![AddressAttribute::Local(address.into()), AddressAttribute::Address(address.into())];
        self.request(RouteNetlinkMessage::NewAddress(message), NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    /// Adds the host route `address`/32 by the interface; an existing one is an error.
    pub(crate) fn add_host_route(&mut self, address: Ipv4Addr, interface: u32) -> io::Result<()> {
        let message = RouteNetlinkMessage::NewRoute(host_route(address, interface));
        self.request(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    /// Removes the host route `address`/32 by the interface.
    pub(crate) fn remove_host_route(&mut self, address: Ipv4Addr, interface: u32) -> io::Result<()> {
        self.request(RouteNetlinkMessage::DelRoute(host_route(address, interface)), NLM_F_ACK).map(drop)
    }

    /// Adds the route to an IPv6 prefix of 64 bits by the interface; an existing one is an error.
    pub(crate) fn add_prefix_route(&mut self, prefix: Ipv6Addr, interface: u32) -> io::Result<()> {
        let message = RouteNetlinkMessage::NewRoute(prefix_route(prefix, interface));
        self.request(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    /// Removes the route to an IPv6 prefix of 64 bits by the interface.
    pub(crate) fn remove_prefix_route(&mut self, prefix: Ipv6Addr, interface: u32) -> io::Result<()> {
        let message = RouteNetlinkMessage::DelRoute(prefix_route(prefix, interface));
        self.request(message, NLM_F_ACK).map(drop)
    }

    /// Lets the kernel answer ARP for the address on the interface (a proxy neighbour, as `ip neigh add proxy`).
    pub(crate) fn add_proxy(&mut self, address: Ipv4Addr, interface: u32) -> io::Result<()> {
        let message = RouteNetlinkMessage::NewNeighbour(proxy(address, interface));
        self.request(message, NLM_F_ACK | NLM_F_CREATE).map(drop)
    }

    /// Removes a proxy neighbour.
    pub(crate) fn remove_proxy(&mut self, address: Ipv4Addr, interface: u32) -> io::Result<()> {
        self.request(RouteNetlinkMessage::DelNeighbour(proxy(address, interface)), NLM_F_ACK).map(drop)
    }

    /// Forgets the IPv4 neighbours whose hardware addresses were learnt; those that somebody has written stay.
    pub(crate) fn forget_neighbours(&mut self) -> io::Result<usize> {
        let mut ask = NeighbourMessage::default();
        ask.header.family = AddressFamily::Inet;
        let mut learnt = Vec::new();
        for answer in self.request(RouteNetlinkMessage::GetNeighbour(ask), NLM_F_DUMP)? {
            let RouteNetlinkMessage::NewNeighbour(message) = answer else { continue };
            if matches!(message.header.state, NeighbourState::Permanent | NeighbourState::Noarp) {
                continue;
            }
            for attribute in &message.attributes {
                if let NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) = attribute {
                    learnt.push((*address, message.header.ifindex));
                }
            }
        }
        let mut forgotten = 0;
        for (address, interface) in learnt {
            let mut message = proxy(address, interface);
            message.header.flags = NeighbourFlags::empty();
            match self.request(RouteNetlinkMessage::DelNeighbour(message), NLM_F_ACK) {
                Ok(_) => forgotten += 1,
                // It has gone by itself.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(forgotten)
    }

    /// All IPv4 proxy neighbours: address and interface index.
    #[cfg(test)]
    pub(crate) fn proxies(&mut self) -> io::Result<Vec<(Ipv4Addr, u32)>> {
        let mut ask = NeighbourMessage::default();
        ask.header.family = AddressFamily::Inet;
        ask.header.flags = NeighbourFlags::Proxy;
        let mut found = Vec::new();
        for answer in self.request(RouteNetlinkMessage::GetNeighbour(ask), NLM_F_DUMP)? {
            let RouteNetlinkMessage::NewNeighbour(message) = answer else {
                continue;
            };
            for attribute in &message.attributes {
                if let NeighbourAttribute::Destination(NeighbourAddress::Inet(a)) = attribute {
                    found.push((*a, message.header.ifindex));
                }
            }
        }
        Ok(found)
    }

    /// Sets an interface up, with an MTU and a queue length in packets.
    pub(crate) fn set_up(&mut self, interface: u32, mtu: u32, queue: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = interface;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        message.attributes = vec![LinkAttribute::Mtu(mtu), LinkAttribute::TxQueueLen(queue)];
        self.request(RouteNetlinkMessage::SetLink(message), NLM_F_ACK).map(drop)
    }
}

fn host_route(address: Ipv4Addr, interface: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = 32;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = RouteScope::Link;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet(address)), RouteAttribute::Oif(interface)];
    message
}

fn prefix_route(prefix: Ipv6Addr, interface: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    message.header.destination_prefix_length = 64;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet6(prefix)), RouteAttribute::Oif(interface)];
    message
}

fn proxy(address: Ipv4Addr, interface: u32) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = interface;
    message.header.flags = NeighbourFlags::Proxy;
    message.attributes = vec![NeighbourAttribute::Destination(NeighbourAddress::Inet(address))];
    message
}
