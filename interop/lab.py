#!/usr/bin/env python3
"""The interop lab: network namespaces, guests (User-Mode Linux) and their wires.

  lab.py up [--lab NAME]            make the lab (idempotent)
  lab.py exec [--lab NAME] NS -- CMD...    run CMD in the lab's srv, lan or wan namespace
  lab.py status [--lab NAME]
  lab.py down [--lab NAME | --all]  end every process of the lab, remove its namespaces

Layout (LAB is the lab's name, default "main"; nothing here has a route to the
host's own network, so no packet can leave the machine):

   guest c1 -- ix-LAB-c1 --+                              (direct: 198.18.0.101...)
                           +-- ix-LAB-wan: br0 -- ix-LAB-srv -- ix-LAB-lan
   guest c2 - c2 - ix-LAB-nat --+   198.18.0.0/24  wan0 198.18.0.1   192.168.100.10
              192.168.77.0/24   198.18.0.2         lan0 192.168.100.1 (in br-lan)

srv is where the server under test runs; lan is the host behind it, with
iperf3 servers, DNS, HTTP and a UDP echo. The LAN also has 2001:db8:100::/64.
"""
import argparse
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("INTEROP_CACHE", "/var/tmp/l2tp-interop"))
STATE = pathlib.Path(os.environ.get("INTEROP_STATE", "/run/l2tp-interop"))

WAN_NET, WAN_SRV, WAN_NAT = "198.18.0", "198.18.0.1", "198.18.0.2"
LAN_NET, LAN_SRV, LAN_HOST = "192.168.100", "192.168.100.1", "192.168.100.10"
LAN_SRV6, LAN_HOST6 = "2001:db8:100::1", "2001:db8:100::10"    # /64; the wan has no IPv6
NAT_NET = "192.168.77"
IPERF_PORT = 5201       # client i uses IPERF_PORT + i
ECHO_PORT = 7007
DNS_NAME = "host.lan.test"


class LabError(Exception):
    pass


def run(*cmd, check=True, **kw):
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.STDOUT)
    p = subprocess.run([str(c) for c in cmd], text=True, errors="replace", **kw)
    if check and p.returncode:
        raise LabError(f"{shlex.join(map(str, cmd))}: rc {p.returncode}\n{p.stdout}")
    return p.stdout or ""


def starttime(pid):
    """Start time of a process (field 22 of stat), or None: tells a pid from its reuse."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            s = f.read()
    except OSError:
        return None
    rest = s[s.rindex(")") + 2:].split()
    return None if rest[0] in "ZX" else int(rest[19])


def tree(pid):
    """pid and all its descendants."""
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{t}/children") as f:
                    todo += [int(c) for c in f.read().split()]
        except OSError:
            pass
    return out


def cpu(pids):
    """(user, system) CPU seconds of the given processes, all threads, live descendants too."""
    tick, u, s = os.sysconf("SC_CLK_TCK"), 0, 0
    for root in pids:
        for p in tree(root):
            try:
                with open(f"/proc/{p}/stat") as f:
                    st = f.read()
            except OSError:
                continue
            f = st[st.rindex(")") + 2:].split()
            u += int(f[11])
            s += int(f[12])
    return u / tick, s / tick


def end(pid, start, grace=3.0):
    """End one process that the lab started (checked by its start time), with its descendants."""
    if starttime(pid) != start:
        return
    procs = [(p, starttime(p)) for p in tree(pid)]
    for sig, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 2.0)):
        for p, st in procs:
            if st and starttime(p) == st:
                try:
                    os.kill(p, sig)
                except OSError:
                    pass
        t = time.monotonic() + wait
        while time.monotonic() < t:
            try:
                os.waitpid(pid, os.WNOHANG)
            except OSError:
                pass
            if all(starttime(p) != st for p, st in procs if st):
                return
            time.sleep(0.02)


class Lab:
    def __init__(self, name="main"):
        if not name.replace("-", "").isalnum() or len(name) > 20:
            raise LabError("lab name: letters, digits, '-', at most 20")
        self.name = name
        self.dir = STATE / name
        self.server_port = "srv"  # the wan bridge's port that leads to the server

    def ident(self):
        """One byte of the lab's name, for MAC addresses."""
        return sum(self.name.encode()) & 255

    # ---- namespaces
    def ns(self, part):
        return f"ix-{self.name}-{part}"

    def ip(self, part, *args, check=True):
        return run("ip", "-n", self.ns(part), *args, check=check)

    def exec_cmd(self, part, cmd):
        return ["ip", "netns", "exec", self.ns(part), *map(str, cmd)]

    def run(self, part, *cmd, check=True, **kw):
        return run(*self.exec_cmd(part, cmd), check=check, **kw)

    def popen(self, part, cmd):
        """CMD with pipes, for the caller to talk to and to end."""
        return subprocess.Popen(self.exec_cmd(part, cmd), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def has(self, part):
        return pathlib.Path(f"/run/netns/{self.ns(part)}").exists()

    def add_ns(self, part, ipv6=False):
        run("ip", "netns", "add", self.ns(part))
        if not ipv6:
            self.run(part, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                     "net.ipv6.conf.default.disable_ipv6=1")
        self.ip(part, "link", "set", "lo", "up")

    def veth(self, a, aif, b, bif):
        """A wire. Checksums are made by the sender: the other end may be a packet socket."""
        self.ip(a, "link", "add", aif, "type", "veth", "peer", "name", bif,
                "netns", self.ns(b))
        for part, i in ((a, aif), (b, bif)):
            self.run(part, "ethtool", "-K", i, "tx", "off", "tso", "off", "gso", "on")
            self.ip(part, "link", "set", i, "up")

    # ---- processes, remembered on disk so that `down` can end them later
    def spawn(self, part, cmd, log, tag, owner=False, **kw):
        """Start CMD in a namespace. owner: dies with the run that started it (see reap)."""
        self.dir.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as f:
            p = subprocess.Popen(self.exec_cmd(part, cmd) if part else list(map(str, cmd)),
                                 stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT,
                                 start_new_session=True, **kw)
        st = starttime(p.pid)
        self.remember(p.pid, tag, owner)
        p.lab_start = st
        return p

    def remember(self, pid, tag, owner=False):
        d = self.dir / "pids"
        d.mkdir(parents=True, exist_ok=True)
        rec = {"pid": pid, "start": starttime(pid), "tag": tag}
        if owner:
            rec["owner"] = [os.getpid(), starttime(os.getpid())]
        (d / f"{pid}.json").write_text(json.dumps(rec))

    def pids(self):
        out = []
        for f in sorted((self.dir / "pids").glob("*.json")):
            try:
                r = json.loads(f.read_text())
            except (OSError, ValueError):
                continue
            r["alive"] = r["start"] is not None and starttime(r["pid"]) == r["start"]
            out.append(r)
        return out

    def pid_of(self, tag):
        for r in self.pids():
            if r["tag"] == tag and r["alive"]:
                return r["pid"]
        return None

    def stop(self, tag):
        for r in self.pids():
            if r["tag"] == tag:
                if r["alive"]:
                    end(r["pid"], r["start"])
                (self.dir / "pids" / f"{r['pid']}.json").unlink(missing_ok=True)

    # ---- the standing part: wan, srv, lan
    def up(self):
        if self.has("lan") and self.pid_of("lan-services"):
            return
        self.down()
        (self.dir / "pids").mkdir(parents=True, exist_ok=True)
        self.add_ns("wan")
        self.add_ns("srv", ipv6=True)
        self.add_ns("lan", ipv6=True)
        self.ip("wan", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        self.ip("wan", "link", "set", "br0", "up")
        self.veth("srv", "wan0", "wan", "srv")
        self.ip("wan", "link", "set", "srv", "master", "br0")
        self.run("srv", "sysctl", "-qw", "net.ipv6.conf.wan0.disable_ipv6=1")
        self.ip("srv", "addr", "add", f"{WAN_SRV}/24", "dev", "wan0")
        # lan0 sits in a bridge: a server may join its own tap to the LAN's segment
        self.ip("srv", "link", "add", "br-lan", "type", "bridge", "forward_delay", "0")
        self.ip("srv", "link", "set", "br-lan", "up")
        self.veth("srv", "lan0", "lan", "eth0")
        self.ip("srv", "link", "set", "lan0", "master", "br-lan")
        self.ip("srv", "addr", "add", f"{LAN_SRV}/24", "dev", "br-lan")
        self.ip("lan", "addr", "add", f"{LAN_HOST}/24", "dev", "eth0")
        self.ip("lan", "route", "add", "default", "via", LAN_SRV)
        self.ip("srv", "addr", "add", f"{LAN_SRV6}/64", "dev", "br-lan", "nodad")
        self.ip("lan", "addr", "add", f"{LAN_HOST6}/64", "dev", "eth0", "nodad")
        self.ip("lan", "route", "add", "default", "via", LAN_SRV6)
        self.run("srv", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0",
                 "net.ipv4.conf.default.rp_filter=0", "net.ipv6.conf.all.forwarding=1")
        # the kernel of this host refuses ESP it does not know with ICMP; a server that reads
        # raw ESP makes that silent, nothing to do here
        log = self.dir / "lan.log"
        self.spawn("lan", [sys.executable, HERE / "lanhost.py", LAN_HOST, str(ECHO_PORT)], log,
                   "lan-services")
        for i in range(8):
            self.spawn("lan", ["iperf3", "-s", "-B", LAN_HOST, "-p", str(IPERF_PORT + i)],
                       self.dir / "iperf3.log", f"iperf3-{i}")

    def down(self):
        for r in self.pids():
            if r["alive"]:
                end(r["pid"], r["start"])
        for n in self.namespaces():
            for p in run("ip", "netns", "pids", n, check=False).split():
                end(int(p), starttime(int(p)))
            run("ip", "netns", "del", n, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def namespaces(self):
        try:
            return [n for n in os.listdir("/run/netns") if n.startswith(f"ix-{self.name}-")]
        except OSError:
            return []

    def reap(self):
        """Clean up after runs that died without doing so."""
        for r in self.pids():
            o = r.get("owner")
            if o and starttime(o[0]) != o[1]:
                end(r["pid"], r["start"])
                (self.dir / "pids" / f"{r['pid']}.json").unlink(missing_ok=True)
            elif not r["alive"]:
                (self.dir / "pids" / f"{r['pid']}.json").unlink(missing_ok=True)
        for n in self.namespaces():
            f = self.dir / "ns" / n
            if f.exists():
                o = json.loads(f.read_text())
                if starttime(o[0]) != o[1]:
                    self.del_ns(n[len(f"ix-{self.name}-"):])

    def own_ns(self, part):
        """A namespace that belongs to this run."""
        self.add_ns(part)
        d = self.dir / "ns"
        d.mkdir(exist_ok=True)
        (d / self.ns(part)).write_text(json.dumps([os.getpid(), starttime(os.getpid())]))

    def del_ns(self, part):
        for p in run("ip", "netns", "pids", self.ns(part), check=False).split():
            end(int(p), starttime(int(p)))
        if self.has(part):
            run("ip", "netns", "del", self.ns(part), check=False)
            # its wires vanish a moment after it: wait, so that the names are free again
            for _ in range(200):
                if not any(f" {part}@" in self.ip(h, "-o", "link") for h in ("wan", "nat") if self.has(h)):
                    break
                time.sleep(0.01)
        (self.dir / "ns" / self.ns(part)).unlink(missing_ok=True)

    # ---- client attachment
    def nat_up(self, part="nat"):
        """A NAT router between the clients behind it and the wan."""
        self.own_ns(part)
        self.veth(part, "out0", "wan", part)
        self.ip("wan", "link", "set", part, "master", "br0")
        self.ip(part, "addr", "add", f"{WAN_NAT}/24", "dev", "out0")
        self.ip(part, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        self.ip(part, "link", "set", "br0", "up")
        self.ip(part, "addr", "add", f"{NAT_NET}.1/24", "dev", "br0")
        self.run(part, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.run(part, "nft", "-f", "-", input="""
table ip nat {
  chain outgoing {
    type nat hook postrouting priority 100
    oifname "out0" masquerade
  }
}
table ip f {
  ct helper pptp { type "pptp" protocol tcp; }
  chain arriving {
    type filter hook prerouting priority 0
    tcp dport 1723 ct helper set "pptp"
  }
  chain forwarding {
    type filter hook forward priority 0; policy drop;
    iifname "br0" accept
    iifname "out0" ct state established,related accept
  }
}
""")

    def attach(self, part, nat):
        """Namespace for guest PART; its wire 'uml0' leads to the wan or behind the NAT."""
        self.own_ns(part)
        hub = "nat" if nat else "wan"
        self.veth(part, "wire", hub, part)
        self.ip(hub, "link", "set", part, "master", "br0")
        return self


def fpshim():
    """What the guests' kernel needs on a processor with AMX (fpshim.c tells why), built once; elsewhere None."""
    with open("/proc/cpuinfo") as f:
        if "amx_tile" not in f.read():
            return None
    source, so = HERE / "fpshim.c", CACHE / "fpshim.so"
    if not so.exists() or so.stat().st_mtime < source.stat().st_mtime:
        new = so.with_suffix(f".{os.getpid()}-{time.monotonic_ns()}")
        run("cc", "-O2", "-shared", "-fPIC", "-o", new, source)
        new.rename(so)
    return so


class Guest:
    """One UML guest. nics: list of (namespace part, host interface) become vec0, vec1..."""

    def __init__(self, lab, name, image, nics, workdir, mem="256M", transport="fd"):
        self.lab, self.name, self.image = lab, name, CACHE / f"{image}.ext4"
        self.kernel = CACHE / "uml/usr/bin/linux.uml"
        for f in (self.kernel, self.image):
            if not f.exists():
                raise LabError(f"{f} is missing: run build-guest.sh first")
        self.nics, self.mem, self.transport = nics, mem, transport
        self.job = pathlib.Path(workdir)
        self.n = 0
        self.boot_s = None

    def start(self, part):
        shutil.rmtree(self.job, ignore_errors=True)
        for d in ("cmd", "out", "logs"):
            (self.job / d).mkdir(parents=True)
        shutil.copy(HERE / "agent.py", self.job / "agent.py")
        shutil.copy(HERE / "guesttools.py", self.job / "guesttools.py")
        args = [self.kernel, f"mem={self.mem}", f"ubd0rc={self.image}", "root=/dev/ubda", "ro",
                "rootfstype=ext4", "init=/sbin/interop-init", f"job={self.job}",
                f"host={self.name}", "con=null", "con0=null,fd:1", "noreboot", "panic=-1",
                f"umid=ix-{self.lab.name}-{self.name}-{os.getpid()}", f"uml_dir={self.job}/uml/"]
        if self.transport == "fd":
            nics = ",".join(f"{m}@{i}" for m, i in self.nics)
            args = [sys.executable, HERE / "umlwire.py", nics, "--", *args]
        else:
            args += [f"vec{n}:transport=raw,ifname={i},depth=128,gro=1,mac={m}"
                     for n, (m, i) in enumerate(self.nics)]
        env = dict(os.environ, TMPDIR="/dev/shm" if os.path.isdir("/dev/shm") else "/tmp")
        shim = fpshim()
        if shim:
            env["LD_PRELOAD"] = str(shim)
        t0 = time.monotonic()
        self.proc = self.lab.spawn(part, args, self.job / "console.log", f"guest-{self.name}",
                                   owner=True, env=env)
        self.wait_out("ready", 60)
        self.boot_s = round(time.monotonic() - t0, 2)
        return self

    def alive(self):
        return self.proc.poll() is None

    def wait_out(self, name, timeout):
        f, t = self.job / "out" / f"{name}.json", time.monotonic() + timeout
        while not f.exists():
            if not self.alive():
                raise LabError(f"guest {self.name} died; console: {self.console()}")
            if time.monotonic() > t:
                raise LabError(f"guest {self.name}: no answer to {name} in {timeout} s; "
                               f"console: {self.console()}")
            time.sleep(0.01)
        return json.loads(f.read_text())

    def console(self):
        try:
            return (self.job / "console.log").read_text(errors="replace")[-1500:]
        except OSError:
            return ""

    def send(self, sh, timeout=60):
        self.n += 1
        name = f"{self.n:05d}"
        tmp = self.job / "cmd" / f"{name}.tmp"
        tmp.write_text(json.dumps({"sh": sh, "timeout": timeout}))
        tmp.rename(self.job / "cmd" / f"{name}.json")
        return name, timeout

    def result(self, handle):
        return self.wait_out(handle[0], handle[1] + 20)

    def sh(self, sh, timeout=60, check=False):
        r = self.result(self.send(sh, timeout))
        if check and r["rc"]:
            raise LabError(f"guest {self.name}: `{sh}` rc {r['rc']}: {r['out']}{r['err']}")
        return r

    def write(self, path, text, mode=0o600):
        """Put a file into the guest."""
        self.n += 1
        src = self.job / f"file-{self.n:05d}"
        src.write_text(text)
        self.sh(f"mkdir -p $(dirname {path}) && cp /job/{src.name} {path} && chmod {mode:o} {path}",
                check=True)

    def stop(self):
        if self.alive():
            try:
                tmp = self.job / "cmd" / "zz.tmp"
                tmp.write_text('{"op": "poweroff"}')
                tmp.rename(self.job / "cmd" / "zz.json")
                self.proc.wait(3)
            except (OSError, subprocess.TimeoutExpired):
                pass
        if self.proc.poll() is None:
            end(self.proc.pid, self.proc.lab_start, 0.5)
        self.lab.stop(f"guest-{self.name}")


def all_labs():
    names = {p.name for p in STATE.glob("*") if p.is_dir()}
    return [Lab(n) for n in sorted(names)]


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("cmd", choices=["up", "down", "exec", "status"])
    ap.add_argument("--lab", default="main")
    ap.add_argument("--all", action="store_true")
    ap.add_argument("ns", nargs="?")
    argv, tail = sys.argv[1:], []
    if "--" in argv:
        i = argv.index("--")
        argv, tail = argv[:i], argv[i + 1:]
    a = ap.parse_args(argv)
    lab = Lab(a.lab)
    if a.cmd == "up":
        lab.up()
    elif a.cmd == "down":
        for x in all_labs() if a.all else [lab]:
            x.down()
    elif a.cmd == "exec":
        if not a.ns or not tail:
            ap.error("exec NS -- CMD...")
        c = lab.exec_cmd(a.ns, tail)
        os.execvp(c[0], c)
    elif a.cmd == "status":
        for x in all_labs():
            print(x.name, "namespaces:", " ".join(x.namespaces()))
            for r in x.pids():
                print("  ", r["pid"], r["tag"], "alive" if r["alive"] else "gone")


if __name__ == "__main__":
    main()
