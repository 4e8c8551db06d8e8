//! Screens and acts of the routers about what is not this server's: known, and answered with where they are to be had.

use crate::request::Request;
use crate::table::{Args, Row};
use crate::text::Text;
use crate::value::{Kind, REST, Slot, must};

const ANY: &[Slot] = &[REST];
const OF_INTERFACE: &[Slot] = &[must("IF", Kind::Interface), REST];

type Answer = fn(Args<'_>) -> Request;

const fn row(words: &'static str, answer: Answer, english: &'static str, japanese: &'static str) -> Row {
    Row::ask(words, ANY, answer).help(english, japanese).unlisted()
}

fn at(english: &str, japanese: &str) -> Request {
    Request::Elsewhere(Text::new(english, japanese))
}

fn nat(_: Args<'_>) -> Request {
    at(
        "NAT is the host's: see 'nft list ruleset' and 'conntrack -L' there",
        "NATはホストの機能です。nft list rulesetとconntrack -Lで確かめてください",
    )
}

fn connections(_: Args<'_>) -> Request {
    at(
        "the host follows connections: see 'conntrack -L' there; what callers' filters do is in 'show log'",
        "接続の追跡はホストの機能です。conntrack -Lで確かめてください。接続者のフィルターの結果はshow logにあります",
    )
}

fn links(_: Args<'_>) -> Request {
    at(
        "interfaces are the host's: see 'ip -s link' and 'ethtool' there",
        "インタフェースはホストのものです。ip -s linkやethtoolで確かめてください",
    )
}

fn bridges(_: Args<'_>) -> Request {
    at(
        "bridges are the host's: see 'bridge fdb' and 'bridge link' there",
        "ブリッジはホストの機能です。bridge fdbやbridge linkで確かめてください",
    )
}

fn routes(_: Args<'_>) -> Request {
    at(
        "routing protocols are the host's: see FRR's vtysh there, and 'show ip route' for the routes",
        "経路制御はホストの機能です。FRRのvtyshで確かめてください。経路はshow ip routeで表示できます",
    )
}

fn ipv6(_: Args<'_>) -> Request {
    at(
        "IPv6 outside of tunnels is the host's: see 'ip -6 addr', 'ip -6 route' and 'ip -6 neigh' there",
        "トンネルの外のIPv6はホストの機能です。ip -6 addr・ip -6 route・ip -6 neighで確かめてください",
    )
}

fn names(_: Args<'_>) -> Request {
    at(
        "names are looked up by the host's resolver: see 'resolvectl' or the log of dnsmasq or unbound there",
        "名前解決はホストの機能です。resolvectlやdnsmasq・unboundのログで確かめてください",
    )
}

fn lending(_: Args<'_>) -> Request {
    at(
        "the LAN's DHCP server is another program: see its leases; callers' addresses are in 'show status pp anonymous'",
        "LANのDHCPサーバーは別のプログラムです。その割り当てを確かめてください。接続者のアドレスはshow status pp anonymousで表示できます",
    )
}

fn traffic(_: Args<'_>) -> Request {
    at("queues are the host's: see 'tc -s qdisc' there", "帯域制御はホストの機能です。tc -s qdiscで確かめてください")
}

fn files(_: Args<'_>) -> Request {
    at(
        "files are the host's: use ls, cp, mv and rm there",
        "ファイルはホストのものです。ls・cp・mv・rmを使ってください",
    )
}

fn keys(_: Args<'_>) -> Request {
    at("SSH is the host's: its keys are in /etc/ssh there", "SSHはホストの機能です。鍵はホストの/etc/sshにあります")
}

fn clock(_: Args<'_>) -> Request {
    at("the clock is the host's: see 'timedatectl' there", "時計はホストのものです。timedatectlを使ってください")
}

fn tools(_: Args<'_>) -> Request {
    at("the host has this command of its own", "ホストのコマンドを使ってください")
}

fn none(_: Args<'_>) -> Request {
    at("this server has nothing of the kind", "本サーバーにはこの機能がありません")
}

pub(crate) const ROWS: &[Row] = &[
    Row::ask("show status LAN", OF_INTERFACE, links)
        .unlisted()
        .help("the state of an interface; see ip -s link on the host", "インタフェースの状態を表示する"),
    row("show status backup", none, "lines that stand in, of which there are none", "バックアップの状態を表示する"),
    row("show status bgp", routes, "BGP; see FRR on the host", "BGPの状態を表示する"),
    row(
        "show status dhcp",
        lending,
        "addresses that DHCP has lent; see the DHCP server",
        "DHCPサーバーの状態を表示する",
    ),
    row(
        "show status dhcpc",
        lending,
        "addresses that DHCP has lent us; see the DHCP server",
        "DHCPクライアントの状態を表示する",
    ),
    row(
        "show status ethernet filter",
        nat,
        "filters by hardware address; see nft on the host",
        "イーサネットフィルターの状態を表示する",
    ),
    row(
        "show status external-memory",
        none,
        "memory cards and sticks, of which there are none",
        "外部メモリーの状態を表示する",
    ),
    row("show status heartbeat2", none, "heartbeats, of which there are none", "ハートビート通知の状態を表示する"),
    row("show status ip keepalive", routes, "watched routes; see the host", "キープアライブの状態を表示する"),
    row("show status ipv6 dhcp", ipv6, "DHCPv6; see the host", "DHCPv6の状態を表示する"),
    row("show status license", none, "licences, of which there are none", "ライセンスの状態を表示する"),
    row("show status mobile", none, "mobile lines, of which there are none", "モバイルの状態を表示する"),
    row(
        "show status netvolante-dns",
        none,
        "Yamaha's names; use a service of dynamic DNS",
        "ネットボランチDNSの状態を表示する",
    ),
    row("show status ngn", none, "NGN, which is not spoken here", "NGNの状態を表示する"),
    row("show status ospf", routes, "OSPF; see FRR on the host", "OSPFの状態を表示する"),
    row(
        "show status packet-buffer",
        none,
        "the router's buffers; see show status fastpath",
        "パケットバッファーの状態を表示する",
    ),
    row("show status qos", traffic, "queues; see tc on the host", "QoSの状態を表示する"),
    row("show status sip", none, "telephony, which is not spoken here", "SIPの状態を表示する"),
    row("show status switch", none, "switches, which are not controlled here", "スイッチ制御の状態を表示する"),
    row(
        "show status switching-hub macaddress",
        bridges,
        "addresses behind ports; see bridge fdb on the host",
        "スイッチングハブのMACアドレスを表示する",
    ),
    row("show status upnp", none, "UPnP, which is not spoken here", "UPnPの状態を表示する"),
    row("show status vlan", links, "VLANs; see ip -d link on the host", "VLANの状態を表示する"),
    row("show status vrrp", routes, "VRRP; see keepalived on the host", "VRRPの状態を表示する"),
    row("show status lua", none, "scripts, of which there are none", "Luaスクリプトの状態を表示する"),
    row("show status ip", connections, "filters of the router; see nft on the host", "IPの機能の状態を表示する"),
    row("show status ipv6", ipv6, "IPv6; see the host", "IPv6の機能の状態を表示する"),
    row("show status yno", none, "Yamaha's cloud, which is not used here", "YNOの状態を表示する"),
    row("show nat descriptor", nat, "what NAT translates; see nft and conntrack on the host", "NATの状態を表示する"),
    row("show ip connection", connections, "connections; see conntrack on the host", "動的フィルターの接続を表示する"),
    row(
        "show ip intrusion detection",
        connections,
        "intrusions; see the host's own means",
        "不正アクセス検知の状態を表示する",
    ),
    row("show ip keepalive", routes, "watched routes; see the host", "キープアライブの状態を表示する"),
    row("show ip policy filter", nat, "policy filters; see nft on the host", "ポリシーフィルターの状態を表示する"),
    row("show ip rip table", routes, "routes learnt by RIP; see FRR on the host", "RIPの経路を表示する"),
    row("show ip secure filter", nat, "filters of a LAN; see nft on the host", "フィルターの状態を表示する"),
    row("show ipv6", ipv6, "IPv6 addresses, routes and neighbours; see ip -6 on the host", "IPv6の状態を表示する"),
    row("show dns cache", names, "the resolver's cache; see the host", "DNSキャッシュを表示する"),
    row(
        "show bridge learning",
        bridges,
        "what bridges have learnt; see bridge fdb on the host",
        "ブリッジの学習情報を表示する",
    ),
    row("show file list", files, "files; see ls on the host", "ファイルの一覧を表示する"),
    row("show exec list", files, "firmware, of which there is none", "ファームウェアの一覧を表示する"),
    row("show boot", none, "why the router started; see journalctl on the host", "起動の情報を表示する"),
    row("show sshd", keys, "SSH's keys; see the host", "SSHの公開鍵を表示する"),
    row("show pki", none, "certificates, of which there are none", "証明書を表示する"),
    row("show lan-map", none, "Yamaha's map of the LAN, which is not drawn here", "LANマップを表示する"),
    row("show diagnosis", none, "open ports as Yamaha's service sees them", "診断の結果を表示する"),
    row("show dlci", none, "frame relay, which is not spoken here", "DLCIを表示する"),
    row("show ip mroute", routes, "multicast routes; see FRR on the host", "マルチキャストの経路を表示する"),
    row("show ip traffic list", connections, "traffic by kind; see the host", "トラフィックを表示する"),
    row("show url filter", connections, "filters by address of a page; see the host", "URLフィルターを表示する"),
    row("less file list", files, "files; see ls on the host", "ファイルの一覧を1画面ずつ表示する"),
    row("clear heartbeat2", none, "forget heartbeats, of which there are none", "ハートビート通知の情報を消す"),
    row("clear mobile access limitation", none, "mobile lines, of which there are none", "モバイルの制限を解除する"),
    row("clear pri status", none, "leased lines, of which there are none", "PRIの状態を消す"),
    row("clear url filter", connections, "forget pages that were looked at; see the host", "URLフィルターの情報を消す"),
    row("diagnose config port", none, "looking for ports that are open", "ポート開放を診断する"),
    row("execute at-command", none, "a command for a modem, of which there are none", "ATコマンドを実行する"),
    row("terminate lua", none, "end scripts, of which there are none", "Luaスクリプトを終了する"),
    row("luac", none, "compile scripts, of which there are none", "Luaスクリプトをコンパイルする"),
    row("set-default-config", none, "which configuration is started with; there is one", "起動時の設定ファイルを選ぶ"),
    row("set-default-exec", none, "which firmware is started with; there is none", "起動時のファームウェアを選ぶ"),
    row("set-serial-baudrate", none, "speed of the serial port, of which there is none", "シリアルの速度を設定する"),
    row("show mobile", none, "mobile lines, of which there are none", "モバイルの情報を表示する"),
    row("clear nat descriptor", nat, "forget what NAT translates; see conntrack on the host", "NATの情報を消す"),
    row("clear dns cache", names, "forget looked-up names; see the host", "DNSキャッシュを消す"),
    row("clear bridge learning", bridges, "forget what bridges have learnt; see the host", "ブリッジの学習情報を消す"),
    row(
        "clear switching-hub macaddress",
        bridges,
        "forget addresses behind ports; see the host",
        "スイッチングハブのMACアドレスを消す",
    ),
    row("clear ip", routes, "forget learnt routes and connections; see the host", "IPの動的な情報を消す"),
    row("clear ipv6", ipv6, "forget IPv6 neighbours and routes; see the host", "IPv6の動的な情報を消す"),
    row("clear status", links, "count packets of an interface anew; see the host", "インタフェースの統計を消す"),
    row("clear counter", links, "count packets of an interface anew; see the host", "カウンターを消す"),
    row("clear boot list", none, "forget why the router started", "起動の履歴を消す"),
    row("interface reset", links, "start an interface anew; see ip link on the host", "インタフェースをリセットする"),
    row("ping6", tools, "ask a host for an echo over IPv6; the host has it", "IPv6でホストの応答を確かめる"),
    row("traceroute", tools, "the way to a host; the host has it", "経路を調べる"),
    row("traceroute6", tools, "the way to a host over IPv6; the host has it", "IPv6の経路を調べる"),
    row("nslookup", tools, "look a name up; the host has it", "名前を調べる"),
    row("telnet", tools, "TELNET to another host; the host has it", "TELNETで接続する"),
    row("ssh", tools, "SSH to another host; the host has it", "SSHで接続する"),
    row("scp", tools, "copy files by SSH; the host has it", "SCPで複写する"),
    row("wol send", tools, "wake a host up; the host has wakeonlan", "WOLパケットを送る"),
    // In the open, lest `time` be taken for the beginning of `timezone`.
    Row::ask("date", ANY, clock).help("set the date; see timedatectl on the host", "日付を設定する"),
    Row::ask("time", ANY, clock).help("set the time; see timedatectl on the host", "時刻を設定する"),
    row("make directory", files, "make a directory; see mkdir on the host", "ディレクトリを作る"),
    row("show file", files, "a file; see cat on the host", "ファイルを表示する"),
];
