//! What Linux does already, and how: told once at the start for each command of that kind.

/// How, in English and in Japanese.
pub(crate) type Way = (&'static str, &'static str);

pub(crate) const FORWARDING: Way = (
    "switch forwarding on with sysctl -w net.ipv4.ip_forward=1 (net.ipv6.conf.all.forwarding=1)",
    "sysctl -w net.ipv4.ip_forward=1(IPv6はnet.ipv6.conf.all.forwarding=1)で転送を有効にしてください",
);
pub(crate) const ROUTES: Way = (
    "routes are those of the host: ip route add NET via GATEWAY, or the settings of its network",
    "経路はホストのものを使います: ip route add NET via GATEWAY、またはホストのネットワーク設定で書いてください",
);
pub(crate) const LINK: Way = (
    "set it on the interface: ip link set dev NAME mtu MTU",
    "インタフェースに設定してください: ip link set dev NAME mtu MTU",
);
pub(crate) const NFTABLES: Way = (
    "it filters nothing here; filter with nftables on the host (nft add rule inet filter forward …)",
    "ここでは何も遮断しません。ホストのnftablesで書いてください(nft add rule inet filter forward …)",
);
pub(crate) const NAT: Way = (
    "translate addresses with nftables on the host (nft add rule ip nat postrouting oifname NAME masquerade)",
    "アドレス変換はホストのnftablesで書いてください(nft add rule ip nat postrouting oifname NAME masquerade)",
);
pub(crate) const ADVERTISEMENT: Way = (
    "advertise prefixes on the LAN with radvd or systemd-networkd",
    "LANのルーター広告はradvdかsystemd-networkdで行ってください",
);
pub(crate) const BROADCAST: Way = (
    "Linux forwards no directed broadcast unless sysctl net.ipv4.conf.NAME.bc_forwarding is 1",
    "Linuxはnet.ipv4.conf.NAME.bc_forwardingが1でない限り指向性ブロードキャストを中継しません",
);
pub(crate) const RESOLVER: Way = (
    "names are looked up by a resolver of the host, such as unbound or dnsmasq",
    "名前解決はホストのリゾルバー(unboundやdnsmasqなど)で行ってください",
);
pub(crate) const DHCP: Way = ("serve DHCP on the LAN with dnsmasq or Kea", "LANのDHCPはdnsmasqかKeaで行ってください");
pub(crate) const SSH: Way = (
    "let operators in by the host's sshd, who then run sekisho console",
    "ホストのsshdでログインし、sekisho consoleを使ってください",
);
pub(crate) const SCHEDULE: Way = (
    "run sekisho exec 'LINE' from cron or a systemd timer",
    "cronかsystemdタイマーからsekisho exec 'LINE'を実行してください",
);
pub(crate) const TIME: Way =
    ("set it with timedatectl set-timezone ZONE", "timedatectl set-timezone ZONEで設定してください");
pub(crate) const ROUTING: Way = (
    "routing protocols are spoken by a routing daemon of the host, such as FRR",
    "経路制御プロトコルはホストのルーティングデーモン(FRRなど)で行ってください",
);
pub(crate) const VRRP: Way = ("VRRP is spoken by keepalived on the host", "VRRPはホストのkeepalivedで行ってください");
pub(crate) const TRAFFIC: Way = ("shape traffic with tc on the host", "帯域制御はホストのtcで行ってください");
pub(crate) const CLOCK: Way = (
    "the host keeps its time, with systemd-timesyncd or chrony",
    "時刻はホストのsystemd-timesyncdかchronyで合わせてください",
);
pub(crate) const KERNEL: Way =
    ("the host's kernel does it as its sysctl settings say", "ホストのカーネルがsysctlの設定に従って行います");
pub(crate) const SOURCE_ROUTE: Way = (
    "Linux drops source-routed packets unless sysctl net.ipv4.conf.all.accept_source_route is 1",
    "Linuxはnet.ipv4.conf.all.accept_source_routeが1でない限りソースルートのパケットを捨てます",
);
