//! What the server may still do once it has started: few capabilities, no new ones, writes to few places, no strange system
//! calls, no core dump.
//!
//! All of it holds for the thread that asks and for those that it starts, so it is asked for before there is another one.
//! What the kernel lacks is told and done without.

#![allow(unsafe_code, reason = "a seccomp filter has no safe wrapper")]

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use landlock::{ABI, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _};
use landlock::{RulesetError, RulesetStatus};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// What is needed while serving: the TUN device, routes and settings below `/proc/sys/net`; ESP and GRE; ports below 1024.
const NEEDED: CapabilitySet =
    CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW).union(CapabilitySet::NET_BIND_SERVICE);

/// Files outside of the server's own places that it opens for writing.
const OTHERS_FILES: [&str; 2] = [crate::tun::DEVICE, "/dev/null"];
/// Where settings of the network are.
const SETTINGS: &str = "/proc/sys/net";

/// The highest number of a capability that a kernel may have.
const MOST_CAPABILITIES: u32 = 63;

/// Where the server may write.
pub(crate) struct Places {
    /// The configuration file, beside which its successor is written.
    pub(crate) config: PathBuf,
    /// Lock, journal.
    pub(crate) run: PathBuf,
    /// The control socket.
    pub(crate) socket: PathBuf,
}

/// Confines the process; gives a sentence for each part that could not be done.
pub(crate) fn confine(places: &Places) -> Vec<String> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let steps: [(&str, Result<(), String>); 3] = [
        ("core dumps are not ruled out", told(rustix::process::setrlimit(Resource::Core, none))),
        (
            "other processes of the same user can look into its memory",
            told(rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)),
        ),
        ("programs that it starts could gain privileges", told(rustix::thread::set_no_new_privs(true))),
    ];
    let troubles = steps.into_iter().filter_map(|(what, done)| done.err().map(|why| format!("{what} ({why})")));
    troubles
        .chain(confine_thread(places))
        .map(|trouble| format!("the server is not wholly confined: {trouble}"))
        .collect()
}

/// What holds for this thread and those that it starts.
fn confine_thread(places: &Places) -> Vec<String> {
    let steps: [(&str, Result<(), String>); 3] = [
        ("it keeps capabilities that it does not need", told(keep_capabilities(capabilities_for(&places.config)))),
        ("it may write anywhere", restrict_writes(places)),
        ("no system call is ruled out", filter_calls().map_err(|error| error.to_string())),
    ];
    steps.into_iter().filter_map(|(what, done)| done.err().map(|why| format!("{what} ({why})"))).collect()
}

fn told(done: rustix::io::Result<()>) -> Result<(), String> {
    done.map_err(|error| io::Error::from(error).to_string())
}

/// The file is saved and read again: where it is somebody else's, root must be able to do so as root.
fn capabilities_for(config: &Path) -> CapabilitySet {
    let ours = rustix::process::geteuid().as_raw();
    let is_ours = |path: &Path| path.metadata().is_ok_and(|about| about.uid() == ours);
    let folder = config.canonicalize().ok().and_then(|file| file.parent().map(Path::to_owned));
    if is_ours(config) && folder.is_some_and(|folder| is_ours(&folder)) {
        NEEDED
    } else {
        NEEDED.union(CapabilitySet::DAC_OVERRIDE)
    }
}

fn keep_capabilities(wanted: CapabilitySet) -> rustix::io::Result<()> {
    let held = rustix::thread::capabilities(None)?;
    // Only who may set it can give away the bounding set; for others it gives nothing back, since no new privileges come.
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for number in 0..=MOST_CAPABILITIES {
            let one = CapabilitySet::from_bits_retain(1 << number);
            // The kernel knows no more than so many.
            if !wanted.contains(one) && rustix::thread::remove_capability_from_bounding_set(one).is_err() {
                break;
            }
        }
    }
    let kept = held.permitted.intersection(wanted);
    // What ambient capabilities there are falls with the inheritable ones, but for those that programs need that it starts.
    let inheritable = held.inheritable.intersection(kept);
    rustix::thread::set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable })
}

/// Everything may be read, as its owner allows; written are the server's own places and the settings of the network.
fn restrict_writes(places: &Places) -> Result<(), String> {
    let trouble = |error: RulesetError| format!("landlock: {error}");
    let all = AccessFs::from_write(ABI::V3);
    let mut rules = Ruleset::default().handle_access(all).map_err(trouble)?.create().map_err(trouble)?;
    let canonical = places.config.canonicalize().ok();
    let folders = [Some(&places.config), canonical.as_ref(), Some(&places.socket)].into_iter().flatten();
    let folders = folders.map(|file| file.parent().filter(|folder| !folder.as_os_str().is_empty()));
    let folders =
        folders.map(|folder| folder.unwrap_or_else(|| Path::new("."))).chain([&*places.run, Path::new(SETTINGS)]);
    for folder in folders {
        // One that is not there, as a setting of IPv6 is not without IPv6, cannot be written either way.
        let Ok(folder) = PathFd::new(folder) else { continue };
        rules = rules.add_rule(PathBeneath::new(folder, all)).map_err(trouble)?;
    }
    for file in OTHERS_FILES {
        let Ok(file) = PathFd::new(file) else { continue };
        rules = rules.add_rule(PathBeneath::new(file, AccessFs::WriteFile)).map_err(trouble)?;
    }
    match rules.restrict_self().map_err(trouble)?.ruleset {
        RulesetStatus::NotEnforced => Err("this kernel has no landlock".to_owned()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

/// What the audit subsystem calls this processor (`linux/audit.h`).
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00b7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: Option<u32> = None;

/// System calls from here on are those of another interface of the same processor (x32).
const OTHER_INTERFACE: u32 = 0x4000_0000;

/// Calls that neither the server nor `nft`, the only program that it starts, ever makes, and that serve to go on from a
/// process that somebody has taken over: other processes' memory, namespaces and mounts, modules, keys, clocks, users.
const RULED_OUT: [libc::c_long; 62] = [
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_capset,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mknodat,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_name_to_handle_at,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_setfsgid,
    libc::SYS_setfsuid,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_setreuid,
    libc::SYS_settimeofday,
    libc::SYS_setuid,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// Those of them that only this processor has.
#[cfg(target_arch = "x86_64")]
const RULED_OUT_HERE: [libc::c_long; 5] =
    [libc::SYS_ioperm, libc::SYS_iopl, libc::SYS_kexec_file_load, libc::SYS_mknod, libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const RULED_OUT_HERE: [libc::c_long; 0] = [];

/// Kinds of sockets that are used: of the console, of both versions of IP, of the kernel's routes and filters.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Namespaces that a new process could be put into.
const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Where the number of the call, the processor and the lower half of the first argument stand (`struct seccomp_data`).
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const FIRST_ARGUMENT_AT: u32 = 16;

fn instruction(code: u32, k: u32, (so, else_): (u8, u8)) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: so, jf: else_, k }
}

fn load(at: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at, (0, 0))
}

fn jump(test: u32, k: u32, to: (u8, u8)) -> libc::sock_filter {
    instruction(libc::BPF_JMP | test | libc::BPF_K, k, to)
}

fn refuse(error: libc::c_int) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | error as u32, (0, 0))
}

/// The filter's program: whatever it does not name is allowed, so that a library may change its ways.
fn program(architecture: u32) -> Vec<libc::sock_filter> {
    let allow = instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, (0, 0));
    let mut out = vec![
        load(ARCHITECTURE_AT),
        jump(libc::BPF_JEQ, architecture, (1, 0)),
        refuse(libc::EPERM),
        load(NUMBER_AT),
        jump(libc::BPF_JGE, OTHER_INTERFACE, (0, 1)),
        refuse(libc::EPERM),
    ];
    for call in RULED_OUT.iter().chain(&RULED_OUT_HERE) {
        out.extend([jump(libc::BPF_JEQ, *call as u32, (0, 1)), refuse(libc::EPERM)]);
    }
    // Its flags are in memory, where they cannot be looked at; the C library goes on with the older call.
    out.extend([jump(libc::BPF_JEQ, libc::SYS_clone3 as u32, (0, 1)), refuse(libc::ENOSYS)]);
    out.push(jump(libc::BPF_JEQ, libc::SYS_clone as u32, (0, 4)));
    out.extend([load(FIRST_ARGUMENT_AT), jump(libc::BPF_JSET, NAMESPACES as u32, (0, 1))]);
    out.extend([refuse(libc::EPERM), allow]);
    out.push(jump(libc::BPF_JEQ, libc::SYS_socket as u32, (1, 0)));
    out.extend([allow, load(FIRST_ARGUMENT_AT)]);
    for family in FAMILIES {
        out.extend([jump(libc::BPF_JEQ, family as u32, (0, 1)), allow]);
    }
    out.push(refuse(libc::EAFNOSUPPORT));
    out
}

fn filter_calls() -> io::Result<()> {
    let Some(architecture) = ARCHITECTURE else {
        return Err(io::Error::other("seccomp: there is no filter for this processor"));
    };
    let mut program = program(architecture);
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the filter points to a program of that length, which the kernel copies before the call is over.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use rustix::net::{AddressFamily, SocketType};
    use std::fs;
    use std::process::{Command, Stdio};

    /// Does something on a thread that is confined to a folder for that.
    fn confined<T: Send>(name: &str, act: impl FnOnce(&Path) -> T + Send) -> T {
        let folder = std::env::temp_dir().join(format!("sekisho-confined-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("own")).unwrap();
        fs::write(folder.join("own/a.conf"), "one").unwrap();
        let own = folder.join("own");
        let places = Places { config: own.join("a.conf"), run: own.clone(), socket: own.join("sock") };
        let outcome = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                rustix::thread::set_no_new_privs(true).unwrap();
                assert_eq!(confine_thread(&places), [] as [String; 0]);
                act(&folder)
            });
            thread.join().unwrap()
        });
        fs::remove_dir_all(folder).unwrap();
        outcome
    }

    #[test]
    fn it_writes_beside_its_configuration_and_nowhere_else() {
        confined("writes", |folder| {
            let own = folder.join("own");
            fs::write(own.join("a.conf.new"), "two").unwrap();
            fs::hard_link(own.join("a.conf"), own.join("a.conf.bak")).unwrap();
            fs::rename(own.join("a.conf.new"), own.join("a.conf")).unwrap();
            assert_eq!(fs::read_to_string(own.join("a.conf")).unwrap(), "two");
            for refused in [fs::write(folder.join("b"), ""), fs::create_dir(folder.join("c")), fs::remove_dir(folder)] {
                assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            }
        });
    }

    #[test]
    fn it_starts_threads_and_programs_but_makes_no_namespace_and_no_strange_socket() {
        confined("calls", |_| {
            std::thread::spawn(|| ()).join().unwrap();
            let told = Command::new("true").stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
            assert!(told.success());
            // SAFETY: it would move this thread alone to another namespace, and is refused.
            let moved = unsafe { libc::unshare(libc::CLONE_NEWUSER) };
            assert_eq!((moved, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EPERM)));
            for (family, good) in
                [(AddressFamily::INET, true), (AddressFamily::UNIX, true), (AddressFamily::PACKET, false)]
            {
                let socket = rustix::net::socket(family, SocketType::DGRAM, None);
                assert_eq!(socket.is_ok(), good, "{family:?}");
                assert!(good || socket.unwrap_err() == rustix::io::Errno::AFNOSUPPORT);
            }
        });
    }

    #[test]
    fn capabilities_that_are_given_away_do_not_come_back() {
        confined("capabilities", |_| {
            let held = rustix::thread::capabilities(None).unwrap();
            let most = NEEDED.union(CapabilitySet::DAC_OVERRIDE);
            assert!(most.contains(held.permitted) && most.contains(held.effective), "{held:?}");
            assert!(keep_capabilities(CapabilitySet::all()).is_err());
        });
    }
}
