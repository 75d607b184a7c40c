//! The log, on stderr.

use std::fmt::Write;

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, field::MakeExt, fmt::format};

/// Format of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines of text.
    Human,
    /// One JSON object per line, with the fields of the event and of its spans.
    Json,
}

/// Starts to log, with the filter in `RUST_LOG`.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,celery=warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Human => {
            // A name of a column or a file may contain a line break: in the log, it must not begin a new line.
            let fields = format::debug_fn(|writer, field, value| match field.name() {
                "message" => write!(OneLine(writer), "{value:?}"),
                // Written by the `log` crate for itself.
                name if name.starts_with("log.") => Ok(()),
                name => write!(OneLine(writer), "{name}={value:?}"),
            });
            log.fmt_fields(fields.delimited(" ")).init();
        }
        // The list of spans includes the current one.
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).with_span_list(true).init(),
    }
}

/// Writes control characters as their escapes.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            let end = part.trim_end_matches(char::is_control);
            self.0.write_str(end)?;
            write!(self.0, "{}", part[end.len()..].escape_default())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_a_value_does_not_begin_a_line_of_the_log() {
        let mut line = String::new();
        write!(OneLine(&mut line), "column evil\n2026 INFO admin\u{1b}[2J\t, größe").expect("written");
        assert_eq!(line, r"column evil\n2026 INFO admin\u{1b}[2J\t, größe");
    }
}
