//! The node's processes: the test runs beside them, in the PID namespace of `tests/cluster/node`.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::shop::Sidecar;

/// A container's first process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(Pid);

/// A stopped process; it goes on when this goes.
pub(crate) struct Stopped(Process);

impl Process {
    /// The sidecar's process.
    pub(crate) fn of(sidecar: &Sidecar) -> Self {
        Self::of_container(&sidecar.container_id)
    }

    /// A container's process, by the container's cgroup; `id` as the pod's status has it.
    pub(crate) fn of_container(id: &str) -> Self {
        let id = id
            .strip_prefix("containerd://")
            .expect("the node runs containerd");
        let mut found = fs::read_dir("/proc")
            .expect("/proc can be read")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid: &i32| {
                fs::read_to_string(format!("/proc/{pid}/cgroup"))
                    .is_ok_and(|cgroups| cgroups.contains(id))
            });
        let pid = found.next().unwrap_or_else(|| panic!("no process of {id}"));
        assert_eq!(found.next(), None, "our containers are one process each");
        Self(Pid::from_raw(pid).expect("a PID is not 0"))
    }

    /// A folder as the process sees it.
    pub(crate) fn path(self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.0.as_raw_nonzero()))
    }

    /// Kills it, as the kernel does when memory runs out: it has no last word.
    pub(crate) fn kill(self) {
        kill_process(self.0, Signal::KILL).expect("the node's processes are ours");
    }

    /// Stops it, as a machine that swaps or a debugger does: its connections stay open.
    pub(crate) fn stop(self) -> Stopped {
        kill_process(self.0, Signal::STOP).expect("the node's processes are ours");
        Stopped(self)
    }

    /// Runs `work` on a thread that is in the pod's network: its connections come from the pod's
    /// address.
    pub(crate) fn in_its_network<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let path = format!("/proc/{}/ns/net", self.0.as_raw_nonzero());
        let network = File::open(path).expect("the node's processes are ours");
        let thread = thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may enter a network namespace");
            work()
        });
        match thread.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Gone meanwhile is fine.
        let _ = kill_process(self.0.0, Signal::CONT);
    }
}
