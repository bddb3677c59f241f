use crate::{Ending, Streams};
use clap::Args;
use clap_complete::Shell;

/// `gpx_headwater completion`: exit status 0, or 2 when the output takes no more.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gpx_headwater completion bash > ~/.local/share/bash-completion/completions/gpx_headwater
  gpx_headwater completion zsh > ~/.zfunc/_gpx_headwater
  gpx_headwater completion fish > ~/.config/fish/completions/gpx_headwater.fish")]
pub struct Completion {
    /// The shell
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(&self, mut line: clap::Command, streams: &mut Streams<'_>) -> Ending {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut line, "gpx_headwater", &mut script);
        match streams.out.write_all(&script) {
            Ok(()) => Ending::Good,
            Err(_) => Ending::Usage,
        }
    }
}
