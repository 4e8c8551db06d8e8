//! What an operator is shown: the router's screens (yamaha.md §5) from the engine's state.

use crate::client::Client;
use crate::engine::Engine;
use crate::time::Instant;
use command::Request;
use core::fmt::Write;
use core::time::Duration;

const HELP: &str = "\
show status l2tp            every tunnel and its session
show status pp anonymous    who is connected: user, addresses, since when, octets
show status fastpath        what carries packets, and why some were dropped
show ipsec sa               every ISAKMP and IPsec SA
show config                 the running configuration
disconnect anonymousN       end one session (disconnect anonymous, disconnect all: every one)
";

/// The answer to a request that shows something.
pub(crate) fn show(engine: &Engine, request: &Request, now: Instant) -> String {
    let mut out = String::new();
    match request {
        Request::ShowStatusL2tp => l2tp(engine, now, &mut out),
        Request::ShowStatusPp => pp(engine, now, &mut out),
        Request::ShowIpsecSa => ipsec_sa(engine, now, &mut out),
        Request::ShowConfig => out.push_str(&engine.config.show()),
        Request::Help => out.push_str(HELP),
        // The door answers `disconnect`; a request that came after this program was written shows nothing.
        _ => out.push_str("error: that cannot be shown\n"),
    }
    out
}

/// `1 minute 49 seconds  connection.` as the router writes it.
fn connection(d: Duration) -> String {
    let total = d.as_secs();
    let parts =
        [(total / 86_400, "day"), (total / 3600 % 24, "hour"), (total / 60 % 60, "minute"), (total % 60, "second")];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    let words: Vec<String> = parts.iter().skip(first).map(|(n, w)| plural(*n, w)).collect();
    format!("{}  connection.", words.join(" "))
}

fn plural(n: u64, word: &str) -> String {
    if n == 1 || (n == 0 && word != "second") { format!("{n} {word}") } else { format!("{n} {word}s") }
}

fn counters(packets: u64, octets: u64) -> String {
    format!("{} [{}]", plural(packets, "packet"), plural(octets, "octet"))
}

/// `show status l2tp` (yamaha.md §5.1).
fn l2tp(engine: &Engine, now: Instant, out: &mut String) {
    let tunnels: Vec<&Client> = engine.clients.values().filter(|c| c.l2tp.is_some()).collect();
    let sessions = tunnels.iter().filter(|c| c.call.is_some()).count();
    let _ = writeln!(out, "------------------- L2TP INFORMATION -------------------");
    let _ = writeln!(out, "  Number of control table using");
    let _ = writeln!(out, "    Tunnel Control: {}, Session Control: {sessions}", tunnels.len());
    for c in tunnels {
        let Some(t) = &c.l2tp else { continue };
        let _ = writeln!(out, "TUNNEL[{}] Information", c.tunnel.unwrap_or(0));
        let _ = writeln!(out, "  Tunnel State: {}", t.state_word());
        let _ = writeln!(out, "  Version: L2TPv2");
        let _ = writeln!(out, "  Local Tunnel ID: {}", t.local_id());
        let _ = writeln!(out, "  Remote Tunnel ID: {}", t.peer_id());
        let _ = writeln!(out, "  Local IP Address: {}", c.endpoint.local.ip());
        let _ = writeln!(out, "  Remote IP Address: {}", c.endpoint.peer.ip());
        let _ = writeln!(out, "  Local Src Port: 1701");
        let _ = writeln!(out, "  Remote Src Port: {}", t.peer_port());
        if let Some(call) = &c.call {
            let _ = writeln!(out, "  PP Bind: {}", call.instance);
        }
        let _ = writeln!(out, "  Vendor: {}", t.peer_vendor());
        let _ = writeln!(out, "  Hostname: {}", t.peer_hostname());
        let _ = writeln!(out, "  Next Transmit sequence(Ns): {}", t.ns());
        let _ = writeln!(out, "  Next Receive sequence(Nr) : {}", t.nr());
        let _ = writeln!(out, "  Number of session: {} session", u8::from(c.call.is_some()));
        let Some(call) = &c.call else { continue };
        let used = call.used(&c.traffic);
        let _ = writeln!(out, "  Session Information");
        let _ = writeln!(out, "    Session State: {}", t.session_word());
        let _ = writeln!(out, "    Local Session ID: {}", call.sessions.0);
        let _ = writeln!(out, "    Remote Session ID: {}", call.sessions.1);
        let _ = writeln!(out, "    {}", connection(now.since(call.since)));
        let _ = writeln!(out, "    Received: {}", counters(used.in_packets, used.in_octets));
        let _ = writeln!(out, "    Transmitted: {}", counters(used.out_packets, used.out_octets));
    }
}

/// `show status pp anonymous` (yamaha.md §5.2): who is on.
fn pp(engine: &Engine, now: Instant, out: &mut String) {
    let mut any = false;
    for (instance, id) in &engine.instances {
        let Some(c) = engine.clients.get(id) else { continue };
        let Some(call) = &c.call else { continue };
        any = true;
        let used = call.used(&c.traffic);
        let _ = writeln!(out, "{instance}:");
        let _ = writeln!(out, "Description: ");
        let _ = match call.up {
            Some(_) => writeln!(out, "Current L2TP session status is Connected."),
            None => writeln!(out, "Current L2TP session status is Connecting."),
        };
        let _ = writeln!(out, "User: {}", call.user.as_deref().unwrap_or("(not yet known)"));
        let _ = writeln!(out, "Outside address: {}", c.endpoint.peer);
        let _ = writeln!(out, "{}", connection(now.since(call.since)));
        let _ = writeln!(out, "Received: {}", counters(used.in_packets, used.in_octets));
        let _ = writeln!(out, "Transmitted: {}", counters(used.out_packets, used.out_octets));
        if let Some(up) = &call.up {
            let _ = writeln!(out, "PPP Configure Options");
            let _ = writeln!(out, "    PP IP Address Local: {}, Remote: {}", up.our_address, up.address);
            let _ = writeln!(out, "    MRU Remote: {}", up.peer_mru);
            let _ = writeln!(out, "    CCP: None");
        }
    }
    if !any {
        let _ = writeln!(out, "PP[ANONYMOUS]: nobody is connected.");
    }
}

/// `show ipsec sa` (yamaha.md §5.4).
fn ipsec_sa(engine: &Engine, now: Instant, out: &mut String) {
    let isakmp: usize = engine.clients.values().map(|c| c.ikes.len()).sum();
    let pairs: usize = engine.clients.values().map(|c| c.pairs.len()).sum();
    let _ = writeln!(out, "Total: isakmp:{isakmp} send:{pairs} recv:{pairs}\n");
    let _ = writeln!(out, "sa    sgw isakmp connection    dir  life[s] remote-id");
    let _ = writeln!(out, "{}", "-".repeat(76));
    let mut n = 0;
    for c in engine.clients.values() {
        let gateway = c.gateways.first().copied().unwrap_or(0);
        let peer = c.endpoint.peer.ip();
        let mut ike = String::from("-");
        for sa in &c.ikes {
            n += 1;
            ike = n.to_string();
            let _ =
                writeln!(out, "{n:<5} {gateway:<5} -    isakmp        -    {:<7} {peer}", sa.life_left(now).as_secs());
        }
        for p in &c.pairs {
            for dir in ["send", "recv"] {
                n += 1;
                let tunnel = c.tunnel.unwrap_or(0);
                let _ = writeln!(
                    out,
                    "{n:<5} {gateway:<5} {ike:<4} tra[{tunnel:04}]esp  {dir} {:<7} {peer}",
                    p.life_left(now).as_secs()
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_words_of_the_router() {
        let told = |s| connection(Duration::from_secs(s));
        assert_eq!(told(109), "1 minute 49 seconds  connection.");
        assert_eq!(told(18_478), "5 hours 7 minutes 58 seconds  connection.");
        assert_eq!(told(1), "1 second  connection.");
        assert_eq!(told(0), "0 seconds  connection.");
        assert_eq!(counters(0, 0), "0 packet [0 octet]");
        assert_eq!(counters(1, 840), "1 packet [840 octets]");
    }
}
