//! The calls that go on, kept in the connector's state. Read once for a batch of frames, written once after it.

use std::collections::BTreeMap;

use patchbay_sdk::Failure;
use patchbay_sdk::json::{self, Node};

use crate::hub::Hub;
use crate::step::Channel;
use crate::story::Story;

/// How long a call that goes on is remembered: longer than any call.
const GOING_ON_MS: u64 = 24 * 60 * 60 * 1000;
/// How long one that ended is remembered: its recording may come late.
const ENDED_MS: u64 = 60 * 60 * 1000;
/// Most calls that are remembered as going on: the oldest ones beyond it are not asked for after a reconnect.
const MOST: usize = 2_000;
/// Where the keys of the calls that go on stand.
const INDEX: &str = "calls";

/// The calls.
pub struct Book<'a, H: Hub> {
    hub: &'a mut H,
    calls: BTreeMap<String, Page>,
    /// Which call a channel belongs to, where that has another key.
    homes: BTreeMap<String, Home>,
    index: Option<Vec<String>>,
}

struct Page {
    before: Option<String>,
    story: Option<Story>,
}

struct Home {
    call: Option<String>,
    is_new: bool,
}

impl<'a, H: Hub> Book<'a, H> {
    /// A book in which nothing was looked up yet.
    pub fn new(hub: &'a mut H) -> Self {
        Self { hub, calls: BTreeMap::new(), homes: BTreeMap::new(), index: None }
    }

    /// The hub.
    pub fn hub(&mut self) -> &mut H {
        self.hub
    }

    /// The call of this key.
    pub fn call(&mut self, key: &str) -> Result<Option<&mut Story>, Failure> {
        if !self.calls.contains_key(key) {
            let before = self.hub.recall(&call_key(key))?;
            let story = before.as_deref().and_then(Story::read);
            self.calls.insert(key.to_owned(), Page { before, story });
        }
        Ok(self.calls.get_mut(key).and_then(|it| it.story.as_mut()))
    }

    /// The key of the call that this channel is known to belong to.
    pub fn home(&mut self, channel: &Channel) -> Result<Option<String>, Failure> {
        if channel.id.is_empty() {
            return Ok(None);
        }
        if self.call(&channel.id)?.is_some() {
            // The channel that a call began on may have become part of another one.
            return Ok(Some(self.moved(&channel.id)?.unwrap_or_else(|| channel.id.clone())));
        }
        self.moved(&channel.id)
    }

    fn moved(&mut self, channel: &str) -> Result<Option<String>, Failure> {
        if !self.homes.contains_key(channel) {
            let call = self.hub.recall(&leg_key(channel))?;
            self.homes.insert(channel.to_owned(), Home { call, is_new: false });
        }
        Ok(self.homes.get(channel).and_then(|it| it.call.clone()))
    }

    /// Begins a call under this key.
    pub fn begin(&mut self, key: &str, story: Story) -> Result<(), Failure> {
        self.call(key)?;
        if let Some(page) = self.calls.get_mut(key) {
            page.story = Some(story);
        }
        let index = self.index()?;
        if !index.iter().any(|it| it == key) {
            index.push(key.to_owned());
        }
        Ok(())
    }

    /// Notes that a channel belongs to a call.
    pub fn settle(&mut self, channel: &str, key: &str) -> Result<(), Failure> {
        let known = self.moved(channel)?;
        if channel.is_empty() || known.as_deref() == Some(key) || (known.is_none() && channel == key) {
            return Ok(());
        }
        self.homes.insert(channel.to_owned(), Home { call: Some(key.to_owned()), is_new: true });
        Ok(())
    }

    /// Moves a channel from one call to another.
    pub fn transfer(&mut self, channel: &str, from: &str, to: &str, at: i64) -> Result<(), Failure> {
        if let Some(story) = self.call(to)? {
            story.gain(channel);
        }
        if let Some(story) = self.call(from)? {
            story.lose(channel, at);
        }
        self.settle(channel, to)
    }

    /// The keys of calls that go on, and of those that ended with the frames before these.
    pub fn index(&mut self) -> Result<&mut Vec<String>, Failure> {
        if self.index.is_none() {
            let kept = self.hub.recall(INDEX)?;
            let keys = kept.as_deref().and_then(|it| Node::parse(it.as_bytes()).ok());
            let keys = keys.as_ref().map(Node::items).unwrap_or_default();
            self.index = Some(keys.iter().filter_map(Node::as_str).map(str::to_owned).collect());
        }
        Ok(self.index.get_or_insert_default())
    }

    /// Writes down what changed. Calls that were over already when this batch began leave the index: what was told of them is committed.
    pub fn close(mut self) -> Result<(), Failure> {
        let calls = std::mem::take(&mut self.calls);
        let mut changes_index = false;
        for (key, page) in &calls {
            let Some(story) = &page.story else { continue };
            let after = story.kept();
            if page.before.as_deref() == Some(&after) {
                continue;
            }
            let was_over = page.before.as_deref().and_then(Story::read).is_some_and(|it| it.ended.is_some());
            changes_index |= page.before.is_none() || (story.ended.is_some() && !was_over);
            let ttl = if story.ended.is_some() { ENDED_MS } else { GOING_ON_MS };
            self.hub.note(&call_key(key), &after, ttl)?;
        }
        for (channel, home) in &self.homes {
            if let (true, Some(call)) = (home.is_new, &home.call) {
                self.hub.note(&leg_key(channel), call, GOING_ON_MS)?;
            }
        }
        if !changes_index {
            return Ok(());
        }
        let mut kept = Vec::new();
        for key in std::mem::take(self.index()?) {
            let page = calls.get(&key).map(|it| it.before.clone());
            let before = page.map_or_else(|| self.hub.recall(&call_key(&key)), Ok)?;
            let is_new = calls.contains_key(&key) && before.is_none();
            let was_open = before.as_deref().and_then(Story::read).is_some_and(|it| it.ended.is_none());
            if is_new || was_open {
                kept.push(key);
            }
        }
        let excess = kept.len().saturating_sub(MOST);
        let keys: Vec<Node> = kept.drain(..).skip(excess).map(Node::from).collect();
        self.hub.note(INDEX, &json::write(&Node::from(keys)).unwrap_or_default(), GOING_ON_MS)
    }
}

fn call_key(key: &str) -> String {
    ["call:", key].concat()
}

fn leg_key(channel: &str) -> String {
    ["leg:", channel].concat()
}
