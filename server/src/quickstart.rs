//! `sekisho quickstart`: a configuration made up on the spot, the host set up for it, and one screen that says what
//! to type into clients.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use command::Config;

use crate::check;
use crate::firewall;
use crate::host::{Host, holder, is_private, network, run_dir};
use crate::netlink::{Interface, Netlink, Route};
use crate::ports;
use crate::setup::{Failure, Setup, TUN_NAME, TUN_NAMES};

/// The file's name in the configuration directory.
const FILE: &str = "quickstart.conf";
/// How many clients can be connected at once.
const TUNNELS: u32 = 32;
/// Characters that nobody mistakes for another, on paper or on a telephone's keyboard.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// The width of the screen, in columns.
const WIDTH: usize = 80;

/// What was found out about this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    /// The interface that clients come in by.
    interface: String,
    address: Ipv4Addr,
    prefix: u8,
    /// Every interface whose network clients are let into.
    inside: Vec<String>,
    /// Networks that the clients' own must not collide with.
    taken: Vec<(Ipv4Addr, u8)>,
    /// Name servers that clients can reach, at most four.
    resolvers: Vec<Ipv4Addr>,
}

/// What goes onto the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Screen {
    address: Ipv4Addr,
    key: String,
    user: String,
    password: String,
    /// How this program is called from where the operator stands.
    program: String,
    file: String,
    /// What the operator should know or do.
    notes: Vec<String>,
}

/// Prepares everything; `serve` gets it and runs until the end.
pub(crate) fn run(
    socket: PathBuf,
    confined: bool,
    workers: usize,
    serve: impl FnOnce(Setup) -> Result<(), Failure>,
) -> Result<(), Failure> {
    ports::check_privileges()?;
    ports::check_tun()?;
    if !firewall::has_nft() {
        return Err(Failure::new(format!(
            "the program 'nft', which lets clients into the network behind this machine, is missing; {}",
            firewall::INSTALL_NFT
        )));
    }
    let facts = gather()?;
    let path = config_dir().join(FILE);
    let mut notes = Vec::new();
    let (text, changed) = text_for(&path, &facts, &mut notes)?;
    let (config, problems) = command::parse(&text);
    if check::errors(&problems) > 0 {
        return Err(Failure::new(format!(
            "{}correct {}, or delete it so that a new one is made",
            check::describe(&path, &problems),
            path.display()
        )));
    }
    if let Some(sentence) = check::missing_address(&config, &all_interfaces()?) {
        return Err(Failure::new(format!("{}: {sentence}", path.display())));
    }
    let mut host = Host::open(&run_dir())?;
    if let Some(told) = host.undo_leftovers() {
        crate::log::complain(told);
    }
    ports::check_ports()?;
    if changed {
        save(&path, &text).map_err(|e| {
            Failure::new(format!("cannot write {}: {e}; name another directory in SEKISHO_CONFIG_DIR", path.display()))
        })?;
    }
    set_up(&mut host, &config, &facts, &mut notes)?;
    let screen = screen(&of(&config, &facts, &path, notes)?);
    serve(Setup {
        config,
        config_path: path,
        host,
        socket_path: socket,
        quickstart_screen: Some(screen),
        workers,
        confined,
    })
}

/// Where configurations are kept.
fn config_dir() -> PathBuf {
    std::env::var_os("SEKISHO_CONFIG_DIR").map_or_else(|| PathBuf::from("/etc/sekisho"), PathBuf::from)
}

fn all_interfaces() -> Result<Vec<Interface>, Failure> {
    let trouble = |e: io::Error| Failure::new(format!("cannot ask the kernel for its addresses: {e}"));
    Netlink::open().map_err(trouble)?.interfaces().map_err(trouble)
}

/// Finds out what there is to know about this machine, and changes nothing.
fn gather() -> Result<Facts, Failure> {
    let trouble = |e: io::Error| Failure::new(format!("cannot ask the kernel for its routes: {e}"));
    let mut netlink = Netlink::open().map_err(trouble)?;
    let interfaces = netlink.interfaces().map_err(trouble)?;
    let routes = netlink.routes().map_err(trouble)?;
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut resolvers = resolvers(&read("/etc/resolv.conf"));
    if resolvers.is_empty() {
        // The stub of systemd-resolved listens on 127.0.0.53; the servers behind it stand in its own file.
        resolvers = self::resolvers(&read("/run/systemd/resolve/resolv.conf"));
    }
    facts(&interfaces, &routes, resolvers)
        .ok_or_else(|| Failure::new("this machine has no IPv4 address; give one of its interfaces an address first"))
}

fn facts(interfaces: &[Interface], routes: &[Route], resolvers: Vec<Ipv4Addr>) -> Option<Facts> {
    let main = check::main_interface(interfaces, routes)?;
    let (address, prefix) = *main.addresses.first()?;
    let behind = interfaces.iter().filter(|i| {
        i.up && !i.loopback
            && i.index != main.index
            && !is_virtual(&i.name)
            && i.addresses.iter().any(|a| is_private(a.0))
    });
    let mut inside = vec![main.name.clone()];
    inside.extend(behind.map(|i| i.name.clone()));
    let mut taken: Vec<(Ipv4Addr, u8)> = interfaces.iter().flat_map(|i| i.addresses.iter().copied()).collect();
    taken.extend(routes.iter().filter(|route| route.prefix > 0).map(|route| (route.destination, route.prefix)));
    taken.extend(resolvers.iter().map(|resolver| (*resolver, 32)));
    Some(Facts { interface: main.name.clone(), address, prefix, inside, taken, resolvers })
}

/// Interfaces that containers and virtual machines hang on, which are nobody's office network.
fn is_virtual(name: &str) -> bool {
    ["docker", "br-", "veth", "virbr", "lxc", "cni", "flannel", "cali", TUN_NAME]
        .iter()
        .any(|start| name.starts_with(start))
}

/// The name servers of a `resolv.conf` that others than this host can use.
fn resolvers(text: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        if let Some(address) = words.next().and_then(|word| word.parse::<Ipv4Addr>().ok())
            && !address.is_loopback()
            && !address.is_unspecified()
            && !found.contains(&address)
            && found.len() < 4
        {
            found.push(address);
        }
    }
    found
}

/// A network of 256 addresses that no network of this host collides with; unusual ones first, since clients' homes
/// have the usual ones.
fn choose_pool(taken: &[(Ipv4Addr, u8)]) -> Option<Ipv4Addr> {
    let private = (187..=253).chain(21..=186).map(|n| Ipv4Addr::new(192, 168, n, 0));
    let wide = (64..=253).map(|n| Ipv4Addr::new(10, 187, n, 0));
    let third = (0..=255).map(|n| Ipv4Addr::new(172, 29, n, 0));
    private.chain(wide).chain(third).find(|net| !collides(*net, 24, taken))
}

fn collides(net: Ipv4Addr, prefix: u8, taken: &[(Ipv4Addr, u8)]) -> bool {
    taken.iter().any(|(other, length)| {
        let shorter = prefix.min(*length);
        network(net, shorter) == network(*other, shorter)
    })
}

/// A random word of the unambiguous alphabet.
fn random_word(length: usize) -> Result<String, Failure> {
    let mut word = String::with_capacity(length);
    while word.len() < length {
        let mut octets = [0; 64];
        getrandom::fill(&mut octets).map_err(|e| Failure::new(format!("the system gives no random numbers: {e}")))?;
        let wanted = length - word.len();
        // 248 is a multiple of 31: what is above it would make some letters likelier than others.
        let letters = octets.iter().filter(|octet| **octet < 248).map(|o| usize::from(*o) % ALPHABET.len());
        word.extend(letters.filter_map(|n| ALPHABET.get(n)).take(wanted).map(|letter| char::from(*letter)));
    }
    Ok(word)
}

/// The configuration: the file of an earlier time, or a new one; and whether it has to be written.
fn text_for(path: &Path, facts: &Facts, notes: &mut Vec<String>) -> Result<(String, bool), Failure> {
    match fs::metadata(path) {
        Ok(_) => {
            let text = check::read(path)?;
            let (config, _) = command::parse(&text);
            let Some((old, _)) = config.lans.get("lan1").and_then(|lan| lan.address) else {
                return Ok((text, false));
            };
            if holder(&all_interfaces()?, old).is_some() {
                return Ok((text, false));
            }
            notes.push(format!(
                "This machine's address was {old}; the configuration says {} from here on.",
                facts.address
            ));
            Ok((moved(&text, old, facts), true))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let net = choose_pool(&facts.taken).ok_or_else(|| {
                Failure::new(
                    "every private network is in use here; write a configuration and use 'sekisho run --config FILE'",
                )
            })?;
            Ok((compose(facts, net, &random_word(20)?, &random_word(12)?), true))
        }
        Err(error) => Err(Failure::new(format!("cannot look at {}: {error}", path.display()))),
    }
}

/// The text with this machine's old address replaced, where the machine has moved.
fn moved(text: &str, old: Ipv4Addr, facts: &Facts) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let blanks = &line[..line.len() - line.trim_start().len()];
        match words.as_slice() {
            ["ip", "lan1", "address", ..] => {
                let _ = writeln!(out, "{blanks}ip lan1 address {}/{}", facts.address, facts.prefix);
            }
            ["ipsec", "ike", "local", "address", id, address] if address.parse() == Ok(old) => {
                let _ = writeln!(out, "{blanks}ipsec ike local address {id} {}", facts.address);
            }
            _ => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out
}

/// A new configuration in the command language.
fn compose(facts: &Facts, net: Ipv4Addr, key: &str, password: &str) -> String {
    let Facts { address, prefix, .. } = facts;
    let [a, b, c, _] = net.octets();
    let dns = if facts.resolvers.is_empty() {
        "# no name server was found here; give clients one with a line such as\n# dns server 192.168.1.1\n".to_owned()
    } else {
        let list: Vec<String> = facts.resolvers.iter().map(ToString::to_string).collect();
        format!("dns server {}\n", list.join(" "))
    };
    format!(
        "\
# Written by 'sekisho quickstart', which reads it again the next time.
# Edit it as you like, or delete it so that a new one is made.
ip lan1 address {address}/{prefix}
pp select anonymous
 pp bind tunnel1-tunnel{TUNNELS}
 pp auth request mschap-v2
 # one line for each user: pp auth username NAME PASSWORD
 pp auth username vpnuser {password}
 ppp ipcp ipaddress on
 ppp ipcp msext on
 ppp ccp type none
 ip pp address {a}.{b}.{c}.1/24
 ip pp remote address pool {a}.{b}.{c}.10-{a}.{b}.{c}.250
 ip pp mtu 1400
 pp enable anonymous
tunnel select 1
 tunnel template 2-{TUNNELS}
 tunnel encapsulation l2tp
 ipsec tunnel 1
  ipsec sa policy 1 1 esp aes-cbc sha-hmac
  ipsec ike keepalive use 1 off
  ipsec ike local address 1 {address}
  ipsec ike nat-traversal 1 on
  ipsec ike pre-shared-key 1 text {key}
  ipsec ike remote address 1 any
 l2tp tunnel disconnect time off
 l2tp keepalive use on
 ip tunnel tcp mss limit auto
 tunnel enable 1
ipsec auto refresh on
ipsec transport 1 1 udp 1701
ipsec transport template 1 2-{TUNNELS}
# Algorithms that are never agreed to. Android before version 12 knows no better
# group than modp1024: take that word out to let such a telephone in.
ipsec ike refuse des-cbc 3des-cbc md5 modp768 modp1024
{dns}dns notice order msext server
l2tp service on
"
    )
}

/// Writes the file so that only its owner reads it and no half of it is ever seen.
fn save(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(fresh, path)
}

/// The smallest network that holds all ranges of the pool.
fn covering(pool: &[(Ipv4Addr, Ipv4Addr)]) -> Option<(Ipv4Addr, u8)> {
    let first = pool.iter().map(|range| u32::from(range.0)).min()?;
    let last = pool.iter().map(|range| u32::from(range.1)).max()?;
    let prefix = u8::try_from((first ^ last).leading_zeros()).unwrap_or(32);
    Some((network(Ipv4Addr::from(first), prefix), prefix))
}

/// Sets the host up: forwarding, and translation where the pool is of no network of this host.
fn set_up(host: &mut Host, config: &Config, facts: &Facts, notes: &mut Vec<String>) -> Result<(), Failure> {
    host.forward(&facts.inside)?;
    let Some((net, prefix)) = covering(&config.anonymous.pool) else {
        return Ok(());
    };
    let interfaces = all_interfaces()?;
    let shares = |i: &Interface| i.addresses.iter().any(|(own, length)| collides(net, prefix, &[(*own, *length)]));
    match interfaces.iter().filter(|i| i.name != TUN_NAME).find(|i| shares(i)) {
        None => {
            if let Err(failure) = host.masquerade((net, prefix), TUN_NAMES) {
                notes.push(format!("Clients will reach this machine only: {failure}."));
            }
        }
        Some(_) if config.lans.values().any(|lan| lan.proxyarp) => {}
        Some(interface) => notes.push(format!(
            "The clients' network {net}/{prefix} is in use on {} too, so clients reach nothing there; choose another \
             one for \
             'ip pp remote address pool', or delete the file.",
            interface.name
        )),
    }
    if config.dns_servers.is_empty() {
        notes.push(
            "No name server was found, so clients are given none; add a line 'dns server ADDRESS' to the file."
                .to_owned(),
        );
    }
    let routes = Netlink::open().and_then(|mut netlink| netlink.routes()).unwrap_or_default();
    if let Some(traffic) = check::traffic(Some(config), &interfaces, &routes) {
        for warning in firewall::look(&traffic) {
            let ends = if warning.commands.is_empty() { "." } else { "; let it pass with:" };
            notes.push(format!("Attention: {}{ends}", warning.what));
            notes.extend(warning.commands.iter().map(|command| format!("  {command}")));
        }
    }
    Ok(())
}

/// What the screen has to say about a configuration.
fn of(config: &Config, facts: &Facts, path: &Path, notes: Vec<String>) -> Result<Screen, Failure> {
    let tunnels = config.l2tp_tunnels();
    let lacking =
        |what: &str| Failure::new(format!("{} has no {what}; delete it so that a new one is made", path.display()));
    let tunnel = tunnels.first().ok_or_else(|| lacking("enabled L2TP tunnel"))?;
    let user = config.anonymous.users.first().ok_or_else(|| lacking("'pp auth username' line"))?;
    let exe = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("sekisho"));
    let here = std::env::current_dir().unwrap_or_default();
    let searched = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&searched).any(|directory| Some(directory.as_path()) == exe.parent());
    Ok(Screen {
        address: facts.address,
        key: String::from_utf8_lossy(&tunnel.gateway.key).into_owned(),
        user: user.name.to_string(),
        password: user.password.to_string(),
        program: called(&exe, &here, in_path),
        file: path.display().to_string(),
        notes,
    })
}

/// How the program is called from a directory.
fn called(exe: &Path, here: &Path, in_path: bool) -> String {
    if in_path {
        return exe.file_name().map_or_else(|| "sekisho".to_owned(), |name| name.to_string_lossy().into_owned());
    }
    match exe.strip_prefix(here) {
        Ok(below) if below.components().count() > 1 => below.display().to_string(),
        Ok(below) => format!("./{}", below.display()),
        Err(_) => exe.display().to_string(),
    }
}

/// The one screen.
fn screen(s: &Screen) -> String {
    let Screen { address, key, user, password, program, file, .. } = s;
    let private = is_private(*address);
    let dialled = if private { "YOUR-PUBLIC-ADDRESS".to_owned() } else { address.to_string() };
    let place = if private { format!("{address}   (outside: your router's public address)") } else { dialled.clone() };
    let mut text = format!(
        "\
Sekisho is ready. Type this into clients (L2TP/IPsec with pre-shared key):

  Server address   {place}
  Pre-shared key   {key}
  User name        {user}
  Password         {password}

Windows  Settings > Network & internet > VPN > Add VPN: Windows (built-in),
         L2TP/IPsec with pre-shared key. Or in PowerShell, then connect:
  Add-VpnConnection -Name Sekisho -TunnelType L2tp -Force -RememberCredential `
    -AuthenticationMethod MSChapv2 -ServerAddress {dialled} `
    -L2tpPsk {key}
iPhone   Settings > General > VPN & Device Management > VPN > Add VPN
         Configuration: Type L2TP, Account = user, Secret = pre-shared key
Mac      System Settings > VPN > Add VPN Configuration > L2TP over IPSec:
         Shared secret = pre-shared key; Options: send all traffic over VPN
Linux    apt install network-manager-l2tp-gnome; Settings > Network > VPN > +
         > L2TP: gateway, user, password; IPsec Settings: on, pre-shared key
Android  up to 11: VPN > + > L2TP/IPSec PSK; see 'refuse' in the file below

Who is connected: {program} show status pp anonymous
Settings, users:  {file}   End: Ctrl-C
"
    );
    if private || !s.notes.is_empty() {
        text.push('\n');
    }
    for note in notes(s, private) {
        // A command that has to be typed as it stands is not wrapped.
        if note.starts_with("  ") {
            let _ = writeln!(text, "{note}");
        } else {
            text.push_str(&wrap(&format!("! {note}")));
        }
    }
    text
}

/// What stands below the screen: what a private address asks for, then the other notes; commands begin with two blanks.
fn notes(s: &Screen, private: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if private {
        let address = s.address;
        notes.push(format!(
            "{address} is a private address. For clients outside, forward UDP 500 and UDP 4500 on your router to \
             {address} \
             (in a cloud: let them in). Windows then needs this once, in PowerShell as administrator, and a restart:"
        ));
        notes.push(
            "  Set-ItemProperty -Path HKLM:\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent `\n    \
             -Name AssumeUDPEncapsulationContextOnSendRule -Type DWord -Value 2"
                .to_owned(),
        );
    }
    notes.extend(s.notes.iter().cloned());
    notes
}

/// Breaks a text at blanks into lines of the screen's width; the second line and those behind it are indented.
fn wrap(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push_str("\n  ");
            column = 2;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    fn interface(index: u32, name: &str, address: &str, prefix: u8) -> Interface {
        let addresses = vec![(address.parse().unwrap(), prefix)];
        Interface { index, name: name.to_owned(), up: true, loopback: name == "lo", mtu: 1500, addresses }
    }

    fn route(destination: &str, prefix: u8, interface: u32) -> Route {
        Route { destination: destination.parse().unwrap(), prefix, interface, gateway: None, metric: 0 }
    }

    fn found() -> Facts {
        let interfaces = [
            interface(1, "lo", "127.0.0.1", 8),
            interface(2, "docker0", "172.17.0.1", 16),
            interface(3, "eth0", "203.0.113.5", 26),
            interface(4, "eth1", "192.168.10.1", 24),
        ];
        let routes = [route("0.0.0.0", 0, 3), route("192.168.187.0", 24, 4), route("192.168.188.0", 23, 4)];
        facts(&interfaces, &routes, resolvers("nameserver 127.0.0.53\nnameserver 192.168.10.2\n")).unwrap()
    }

    fn shown(address: &str, notes: Vec<String>) -> Screen {
        Screen {
            address: address.parse().unwrap(),
            key: "k".repeat(20),
            user: "vpnuser".to_owned(),
            password: "p".repeat(12),
            program: "target/release/sekisho".to_owned(),
            file: "/etc/sekisho/quickstart.conf".to_owned(),
            notes,
        }
    }

    /// What is worse than a hint: that hosts need a route to the pool is true of the file, and seen to by NAT.
    fn serious(problems: &[command::Problem]) -> Vec<&command::Problem> {
        problems.iter().filter(|problem| problem.severity != command::Severity::Warning).collect()
    }

    #[test]
    fn the_interface_of_the_default_route_and_the_lan_behind_are_found() {
        let facts = found();
        assert_eq!(
            (facts.interface.as_str(), facts.address, facts.prefix),
            ("eth0", "203.0.113.5".parse().unwrap(), 26)
        );
        assert_eq!(facts.inside, ["eth0", "eth1"]);
        assert_eq!(facts.resolvers, ["192.168.10.2".parse::<Ipv4Addr>().unwrap()]);
        assert_eq!(super::facts(&[interface(1, "lo", "127.0.0.1", 8)], &[], Vec::new()), None);
    }

    #[test]
    fn the_pool_collides_with_no_network_of_the_host() {
        assert_eq!(choose_pool(&[]), Some(Ipv4Addr::new(192, 168, 187, 0)));
        assert_eq!(choose_pool(&found().taken), Some(Ipv4Addr::new(192, 168, 190, 0)));
        let all_192 = (Ipv4Addr::new(192, 168, 0, 0), 16);
        assert_eq!(choose_pool(&[all_192]), Some(Ipv4Addr::new(10, 187, 64, 0)));
        let all_10 = (Ipv4Addr::new(10, 0, 0, 0), 8);
        assert_eq!(choose_pool(&[all_192, all_10]), Some(Ipv4Addr::new(172, 29, 0, 0)));
        assert_eq!(choose_pool(&[all_192, all_10, (Ipv4Addr::new(172, 16, 0, 0), 12)]), None);
    }

    #[test]
    fn loopback_resolvers_are_not_handed_out() {
        let text = "# comment\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 192.0.2.53\nnameserver \
        192.0.2.53\noptions edns0\n";
        assert_eq!(resolvers(text), [Ipv4Addr::new(192, 0, 2, 53)]);
        assert_eq!(resolvers("nameserver 127.0.0.1\n"), Vec::<Ipv4Addr>::new());
    }

    #[test]
    fn the_configuration_is_read_without_an_error_and_means_what_it_says() {
        let facts = found();
        let text = compose(&facts, Ipv4Addr::new(192, 168, 190, 0), "abcdefgh", "secret22");
        let (config, problems) = command::parse(&text);
        assert_eq!(serious(&problems), Vec::<&command::Problem>::new());
        let tunnels = config.l2tp_tunnels();
        assert_eq!(tunnels.len(), 32);
        assert_eq!(covering(&config.anonymous.pool), Some((Ipv4Addr::new(192, 168, 190, 0), 24)));
        let screen = of(&config, &facts, Path::new("/x"), Vec::new()).unwrap();
        assert_eq!(
            (screen.key.as_str(), screen.user.as_str(), screen.password.as_str()),
            ("abcdefgh", "vpnuser", "secret22")
        );
        assert!(config.refused.contains("modp1024"));
        assert_eq!(config.dns_servers, facts.resolvers);
    }

    #[test]
    fn without_a_name_server_the_file_says_what_to_add() {
        let facts = Facts { resolvers: Vec::new(), ..found() };
        let text = compose(&facts, Ipv4Addr::new(192, 168, 190, 0), "abcdefgh", "secret22");
        assert!(text.contains("# dns server 192.168.1.1\n"), "{text}");
        assert!(serious(&command::parse(&text).1).is_empty());
    }

    #[test]
    fn a_machine_that_moved_keeps_its_credentials() {
        let facts = found();
        let text = compose(&facts, Ipv4Addr::new(192, 168, 190, 0), "abcdefgh", "secret22");
        let elsewhere = Facts { address: "198.51.100.7".parse().unwrap(), prefix: 24, ..facts.clone() };
        let moved = moved(&text, facts.address, &elsewhere);
        assert_eq!(moved, compose(&elsewhere, Ipv4Addr::new(192, 168, 190, 0), "abcdefgh", "secret22"));
    }

    #[test]
    fn the_screen_fits_eighty_columns_and_forty_lines() {
        let warning = [
            "Attention: the packet filter (iptables, chain FORWARD) drops what clients send to the network behind \
             this host; let \
             it pass with:",
            "  iptables -I FORWARD -i sekisho0 -j ACCEPT",
            "  iptables -I FORWARD -o sekisho0 -j ACCEPT",
        ]
        .map(str::to_owned);
        for screen in [
            screen(&shown("203.0.113.5", Vec::new())),
            screen(&shown("192.168.100.100", [warning.clone(), warning].concat())),
        ] {
            assert!(screen.lines().count() <= 40, "{screen}");
            for line in screen.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}");
            }
        }
    }

    #[test]
    fn the_screen_says_what_to_type_and_how_to_see_who_is_there() {
        let text = screen(&shown("203.0.113.5", Vec::new()));
        for part in [
            "Server address   203.0.113.5\n",
            "Pre-shared key   kkkkkkkkkkkkkkkkkkkk\n",
            "-ServerAddress 203.0.113.5 `",
            "target/release/sekisho show status pp anonymous",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains("AssumeUDPEncapsulationContextOnSendRule"));
    }

    #[test]
    fn a_private_address_brings_the_ports_to_forward_and_the_registry_line() {
        let text = screen(&shown("192.168.1.7", Vec::new()));
        assert!(text.contains("forward UDP 500 and UDP"), "{text}");
        assert!(text.contains("-Name AssumeUDPEncapsulationContextOnSendRule -Type DWord -Value 2"), "{text}");
    }

    #[test]
    fn random_words_have_their_length_and_differ() {
        let (one, other) = (random_word(20).unwrap(), random_word(20).unwrap());
        assert_eq!(one.len(), 20);
        assert_ne!(one, other);
        assert!(one.bytes().all(|letter| ALPHABET.contains(&letter)), "{one}");
    }

    #[test]
    fn the_program_is_named_as_it_can_be_called() {
        let exe = Path::new("/src/vpn/target/release/sekisho");
        assert_eq!(called(exe, Path::new("/src/vpn"), false), "target/release/sekisho");
        assert_eq!(called(exe, Path::new("/src/vpn/target/release"), false), "./sekisho");
        assert_eq!(called(exe, Path::new("/root"), false), "/src/vpn/target/release/sekisho");
        assert_eq!(called(Path::new("/usr/bin/sekisho"), Path::new("/"), true), "sekisho");
    }

    #[test]
    fn the_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("sekisho-quick-{}", std::process::id())).join(FILE);
        save(&path, "a\n").unwrap();
        save(&path, "b\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "b\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
