//! Follows a chunked body to its end (RFC 9112 section 7.1): the client's, so that the guard knows where
//! the next head starts, and the backend's, which is taken apart here. What passes has one reading.

/// The most bytes that extensions of one body may take together; and its trailers.
const OVERHEAD: usize = 16 * 1024;
/// Where sizes are padded, what each chunk may have for its own, beside as much as its data: a long body
/// has many chunks.
const FREE_OVERHEAD: usize = 16;

/// Where in the body we are.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Chunked {
    state: State,
    size: u64,
    overhead: usize,
    /// Spaces behind a size are taken.
    padded: bool,
}

/// Not chunks as the grammar has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct BadChunk;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the size; how many digits were seen.
    Size(u8),
    /// In the spaces behind it.
    Padding,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line, or of the empty line that ends the body.
    Line,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

impl Chunked {
    pub(in crate::proxy) fn new() -> Self {
        Self {
            state: State::Size(0),
            size: 0,
            overhead: 0,
            padded: false,
        }
    }

    /// With spaces behind sizes, as old servers write them.
    pub(in crate::proxy) fn padded() -> Self {
        Self {
            padded: true,
            ..Self::new()
        }
    }

    /// How many bytes of data come next.
    pub(in crate::proxy) fn data(&self) -> u64 {
        match self.state {
            State::Data => self.size,
            _ => 0,
        }
    }

    /// So many bytes of data, of those that come next, have been taken.
    pub(in crate::proxy) fn passed(&mut self, bytes: u64) {
        self.size -= bytes;
        if self.size == 0 {
            self.state = State::DataCr;
        }
    }

    /// Follows what frames the data, up to data or the end; returns how many bytes that is. `trailers`
    /// gets the lines behind the last chunk, the empty one too.
    pub(in crate::proxy) fn frame(
        &mut self,
        bytes: &[u8],
        trailers: &mut Vec<u8>,
    ) -> Result<usize, BadChunk> {
        use State::*;
        let mut at = 0;
        while at < bytes.len() && !matches!(self.state, Data | Done) {
            if matches!(
                self.state,
                Line | TrailerName | TrailerValue | TrailerLf | EndLf
            ) {
                trailers.push(bytes[at]);
            }
            self.state = self.step(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    /// Whether the body is over.
    pub(in crate::proxy) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Follows the body through `bytes`; returns how many of them belong to it.
    pub(in crate::proxy) fn advance(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            if self.state == State::Data {
                let rest = bytes.len() - at;
                let take = usize::try_from(self.size).map_or(rest, |size| size.min(rest));
                at += take;
                self.passed(take as u64);
                continue;
            }
            self.state = self.step(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<State, BadChunk> {
        use State::*;
        Ok(match (self.state, byte) {
            (Size(digits), _) if byte.is_ascii_hexdigit() => {
                // Fifteen digits: what 64 bits can count, with room to spare.
                if digits == 15 {
                    return Err(BadChunk);
                }
                let digit = char::from(byte).to_digit(16).ok_or(BadChunk)?;
                self.size = self.size * 16 + u64::from(digit);
                Size(digits + 1)
            }
            (Size(0), _) => return Err(BadChunk),
            (Size(_), b';') => Extension,
            (Size(_) | Padding | Extension, b'\r') => SizeLf,
            (Size(_) | Padding, b' ' | b'\t') if self.padded => self.counted(byte, Padding)?,
            (Padding, b';') => Extension,
            (Padding, _) => return Err(BadChunk),
            (Extension, _) => self.counted(byte, Extension)?,
            (SizeLf, b'\n') if self.size == 0 => {
                self.overhead = 0;
                Line
            }
            (SizeLf, b'\n') => {
                if self.padded {
                    let paid = usize::try_from(self.size).unwrap_or(usize::MAX);
                    let paid = paid.saturating_add(FREE_OVERHEAD);
                    self.overhead = self.overhead.saturating_sub(paid);
                }
                Data
            }
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size(0),
            (Line, b'\r') => EndLf,
            (Line, b':' | b' ' | b'\t') => return Err(BadChunk),
            (Line, _) => self.counted(byte, TrailerName)?,
            (TrailerName, b':') => self.counted(byte, TrailerValue)?,
            (TrailerName, b' ' | b'\t' | b'\r') => return Err(BadChunk),
            (TrailerName, _) => self.counted(byte, TrailerName)?,
            (TrailerValue, b'\r') => TrailerLf,
            (TrailerValue, _) => self.counted(byte, TrailerValue)?,
            (TrailerLf, b'\n') => Line,
            (EndLf, b'\n') => Done,
            _ => return Err(BadChunk),
        })
    }

    fn counted(&mut self, byte: u8, next: State) -> Result<State, BadChunk> {
        self.overhead += 1;
        let control = (byte < b' ' && byte != b'\t') || byte == 0x7f;
        if control || self.overhead > OVERHEAD {
            Err(BadChunk)
        } else {
            Ok(next)
        }
    }
}

#[cfg(test)]
mod tests;
