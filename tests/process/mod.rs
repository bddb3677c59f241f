//! The built binary as a process that ends with the test.

#![allow(dead_code, reason = "each test uses what it needs of this")]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The built binary, to be given arguments.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gpx_headwater"));
    command.stdin(Stdio::null());
    command
}

/// A process that ends with the test, however that ends.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) out: BufReader<ChildStdout>,
}

impl Started {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let mut command = command();
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// What stands behind `mark` in the first line that the process writes with it.
    pub(crate) fn line(&mut self, mark: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.out.read_line(&mut line).unwrap();
            assert!(read > 0, "the process ended without a line with {mark:?}");
            if let Some((_, rest)) = line.split_once(mark) {
                return rest.to_owned();
            }
        }
    }

    /// The host and port that stand behind `mark`.
    pub(crate) fn address(&mut self, mark: &str) -> String {
        let rest = self.line(mark);
        let end = rest.find(['/', ',', '\n']).unwrap();
        rest[..end].to_owned()
    }

    /// Ends the process with a signal and gives back its exit status.
    pub(crate) fn end(&mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
