//! An HTTP/2 client that shows each frame (RFC 9113), over TLS, whose records it counts.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use rustls::{ClientConnection, StreamOwned};

use super::PATIENCE;
use super::secure::Secure;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// Heads of answers begin with these, by the static table of RFC 7541.
pub const STATUS_200: u8 = 0x88;
pub const STATUS_400: u8 = 0x8c;
pub const STATUS_404: u8 = 0x8d;

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// Decodes the status from the field block of a head.
    pub fn status(&self) -> u8 {
        assert_eq!(self.kind, HEADERS, "{self:?}");
        // The table of the peer may be told to change first.
        let sizes = self.payload.iter().take_while(|byte| **byte & 0xe0 == 0x20).count();
        self.payload[sizes]
    }
}

/// A TCP stream that records the received bytes.
struct Tapped {
    stream: TcpStream,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Read for Tapped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.seen.lock().unwrap().extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

impl Write for Tapped {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.stream.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

pub struct Frames {
    tls: StreamOwned<ClientConnection, Tapped>,
    seen: Arc<Mutex<Vec<u8>>>,
    next: u32,
    /// Bytes that may be sent, on the connection and on the newest stream.
    room: [usize; 2],
    ended: Option<io::Error>,
}

impl Frames {
    /// Connects, with room for long answers.
    pub fn connect(secure: &Secure) -> Self {
        let stream = TcpStream::connect(secure.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let name = "127.0.0.1".try_into().unwrap();
        let client = ClientConnection::new(Arc::new(secure.http2()), name).unwrap();
        let tapped = Tapped {
            stream,
            seen: Arc::clone(&seen),
        };
        let mut frames = Self {
            tls: StreamOwned::new(client, tapped),
            seen,
            next: 1,
            room: [65_535, 0],
            ended: None,
        };
        frames.tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        // SETTINGS_INITIAL_WINDOW_SIZE
        frames.write(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
        frames.write(WINDOW_UPDATE, 0, 0, &(0x7f00_0000_u32).to_be_bytes());
        frames
    }

    fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        if let Err(error) = self.tls.write_all(&frame).and_then(|()| self.tls.flush()) {
            self.ended.get_or_insert(error);
        }
    }

    /// Begins a request; the id of its stream.
    pub fn request(&mut self, fields: &[(&str, &str)], ends: bool) -> u32 {
        let stream = self.next;
        self.next += 2;
        self.room[1] = 65_535;
        let mut block = Vec::new();
        for (name, value) in fields {
            // A literal that is not indexed, with a new name.
            block.push(0);
            for text in [name, value] {
                length(&mut block, text.len());
                block.extend(text.as_bytes());
            }
        }
        let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
        self.write(HEADERS, flags, stream, &block);
        stream
    }

    /// Sends a GET.
    pub fn get(&mut self, path: &str) -> u32 {
        let fields = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", path),
        ];
        self.request(&fields, true)
    }

    pub fn data(&mut self, stream: u32, data: &[u8], ends: bool) {
        self.write(DATA, if ends { END_STREAM } else { 0 }, stream, data);
    }

    /// Sends so many bytes of a body as the server makes room. Returns the frames of the answer that came meanwhile.
    pub fn long_data(&mut self, stream: u32, mut bytes: usize) -> Vec<Frame> {
        let mut answer = Vec::new();
        while bytes > 0 {
            let part = bytes.min(16_384).min(self.room[0]).min(self.room[1]);
            if part == 0 {
                let frame = self.read();
                let is_reset = frame.kind == RST_STREAM;
                answer.extend(self.counted(frame));
                if is_reset {
                    break;
                }
                continue;
            }
            bytes -= part;
            self.room = self.room.map(|room| room - part);
            self.data(stream, &vec![b' '; part], bytes == 0);
        }
        answer
    }

    /// Reads the next frame that is about a stream.
    pub fn frame(&mut self) -> Frame {
        loop {
            let frame = self.read();
            assert_ne!(frame.kind, GOAWAY, "{frame:?}");
            if let Some(frame) = self.counted(frame) {
                return frame;
            }
        }
    }

    /// Reads the frames of the next answer, to its end.
    pub fn answer(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.frame());
            let last = &frames[frames.len() - 1];
            if last.ends_stream() || last.kind == RST_STREAM {
                return frames;
            }
        }
    }

    /// Handles frames about the connection itself.
    fn counted(&mut self, frame: Frame) -> Option<Frame> {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]),
            WINDOW_UPDATE => {
                let more = u32::from_be_bytes(frame.payload[..4].try_into().unwrap());
                let which = usize::from(frame.stream != 0);
                self.room[which] += usize::try_from(more).unwrap();
            }
            DATA | HEADERS | RST_STREAM => return Some(frame),
            _ => {}
        }
        None
    }

    fn read(&mut self) -> Frame {
        let mut head = [0; 9];
        self.tls
            .read_exact(&mut head)
            .unwrap_or_else(|error| panic!("{error}; {:?}", self.ended));
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        self.tls.read_exact(&mut payload).unwrap();
        Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes(head[5..].try_into().unwrap()) & 0x7fff_ffff,
            payload,
        }
    }

    /// Returns the number of TLS records with data that have arrived so far.
    pub fn records(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        let (mut at, mut records) = (0, 0);
        while at + 5 <= seen.len() {
            records += usize::from(seen[at] == 23);
            at += 5 + usize::from(seen[at + 3]) * 256 + usize::from(seen[at + 4]);
        }
        records
    }

    /// Returns whether the server ends TLS before TCP, after any other data.
    pub fn closes_properly(mut self) -> bool {
        let mut rest = Vec::new();
        self.tls.read_to_end(&mut rest).is_ok()
    }
}

/// Appends an integer with seven bits in its first byte (RFC 7541, section 5.1).
fn length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}
