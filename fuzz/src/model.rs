//! What a log must hold: messages in a vector, and where named readers stand.

use std::collections::BTreeMap;

use crate::read::Message;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub type_id: u32,
    pub batch_remaining: u32,
    pub payload: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
pub struct Model {
    /// By seq, pruned ones included.
    pub messages: Vec<Expected>,
    /// The first one that is left.
    pub first: u64,
    /// What named readers have committed.
    pub readers: BTreeMap<&'static str, u64>,
    /// Everything below has to survive a power cut.
    pub durable: u64,
}

impl Model {
    pub fn end(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Bytes that differ from message to message.
    pub fn payload(&self, more: usize, length: usize) -> Vec<u8> {
        crate::forge::payload(self.end() + more as u64, length as u32)
    }

    pub fn append(&mut self, payload: Vec<u8>, type_id: u32, batch_remaining: u32) {
        self.messages.push(Expected { type_id, batch_remaining, payload });
    }

    /// Whether these are the messages from `from` on, in order.
    pub fn assert_range(&self, messages: &[Message], from: u64, to: u64) {
        assert_eq!(messages.len() as u64, to.saturating_sub(from), "messages from {from} to {to}");
        let mut time = 0;
        for (message, seq) in messages.iter().zip(from..) {
            let expected = &self.messages[seq as usize];
            assert_eq!((message.seq, message.type_id), (seq, expected.type_id));
            assert_eq!(message.batch_remaining, expected.batch_remaining, "the batch of {seq}");
            assert!(message.payload == expected.payload, "the payload of {seq}");
            assert!(message.timestamp_ns >= time, "the time of {seq} falls");
            time = message.timestamp_ns;
        }
    }
}
