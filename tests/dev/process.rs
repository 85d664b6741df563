//! A running `endpoints dev`, and shell lines run against it.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running `endpoints dev`; dropping it ends it.
pub struct Dev {
    child: Child,
    stderr: Receiver<String>,
    stdout: Receiver<String>,
    /// The `export` lines as printed last.
    pub exports: Vec<String>,
    /// The other lines printed with them.
    pub printed: Vec<String>,
}

/// The binary with these arguments.
pub fn endpoints(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_endpoints"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("ENDPOINTS_LOG");
    command
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Output {
    endpoints(arguments).output().unwrap()
}

/// A file of the project.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

impl Dev {
    /// Starts `endpoints dev FILE --listen 127.0.0.1:0 …` and waits until it serves.
    pub fn start(file: &Path, arguments: &[&str]) -> Self {
        let mut child = endpoints(&["dev", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        let mut dev = Self {
            child,
            stderr,
            stdout,
            exports: Vec::new(),
            printed: Vec::new(),
        };
        dev.read_introduction();
        dev
    }

    /// Waits for the line that ends an introduction, then takes what was printed before it.
    pub fn read_introduction(&mut self) {
        self.wait_for("listening on");
        self.exports.clear();
        self.printed.clear();
        // Stdout was written, whole, before that line; its end is the last command's line.
        while let Ok(line) = self.stdout.recv_timeout(Duration::from_millis(300)) {
            if line.starts_with("export ") {
                &mut self.exports
            } else {
                &mut self.printed
            }
            .push(line);
        }
    }

    /// Waits for a line on stderr that holds `text`; returns it with all before it.
    pub fn wait_for(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) => {
                    seen.push_str(&line);
                    seen.push('\n');
                    if line.contains(text) {
                        return seen;
                    }
                }
                Err(error) => panic!("no `{text}` on stderr ({error}); seen:\n{seen}"),
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        let export = "export ENDPOINTS_HOST=";
        let line = self.exports.iter().find_map(|it| it.strip_prefix(export));
        let host = line.expect("it is printed").trim_matches(['"', '\'']);
        host.trim_start_matches("http://").to_owned()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it ends.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = std::time::SystemTime::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(std::time::SystemTime::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs a line as a person would: pasted into a shell, after the printed exports.
    pub fn paste(&self, line: &str) -> String {
        let script = format!("{}\n{line}", self.exports.join("\n"));
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        assert!(
            output.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The status that a GET of `path` is answered with.
    pub fn status(&self, path: &str) -> String {
        self.paste(&format!(
            "curl -s -o /dev/null -w '%{{http_code}}' \"${{ENDPOINTS_HOST}}{path}\""
        ))
    }

    /// Asks again and again until a GET of `path` is answered with `status`.
    pub fn until(&self, path: &str, status: &str) {
        let deadline = std::time::SystemTime::now() + PATIENCE;
        let mut last = String::new();
        while std::time::SystemTime::now() < deadline {
            last = self.status(path);
            if last == status {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{path} is answered {last}, not {status}");
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
