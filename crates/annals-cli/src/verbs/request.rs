//! `request show`: what followed from one request, across services, and what is still owed.

use clap::Subcommand;

use crate::client::Client;
use crate::event::delta;
use crate::failure::Failure;
use crate::identity;
use crate::out::short;
use crate::requests::{Node, Request};
use crate::session::Session;
use crate::source::{Source, needed_node};
use crate::status::Status;

/// What to do with requests.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show what followed from one request
    Show {
        /// The request's correlation, or any event of it
        #[arg(value_name = "CORRELATION|EVENT_ID")]
        id: uuid::Uuid,
    },
}

pub(crate) async fn run(verb: Verb, session: &mut Session) -> Result<(), Failure> {
    let Verb::Show { id } = verb;
    let why = "only a node knows what is still owed";
    let client = needed_node(&session.settings, &session.notes, why)?;
    let request = find(&client, id).await?;
    let status = Status::of(&client).await?;
    let owed = owed(&request, &status);
    if !session.is_table() {
        let mut document = serde_json::to_value(&request).expect("a request is made of strings and numbers");
        document["owed"] = owed.into();
        return session.out.document(&document);
    }
    tree(&request, session)?;
    summary(&request, &owed, session)
}

/// The request of this correlation, or of this event.
async fn find(client: &Client, id: uuid::Uuid) -> Result<Request, Failure> {
    if let Some(request) = Request::of(client, &id.to_string()).await? {
        return Ok(request);
    }
    let event = annals_core::id::EventId::from_uuid(id);
    let mut source = Source::Node(client.clone());
    let (service, event) = source.event(event).await.map_err(|failure| match failure.exit {
        crate::exit::Exit::NotFound => Failure::not_found(format!("there is no request and no event {id}"))
            .hint(format!("list events with `{} event ls`", identity::name())),
        _ => failure,
    })?;
    let Some(correlation) = &event.correlation else {
        let place = format!("{service}:{}", event.position);
        return Err(Failure::not_found(format!(
            "the event at {place} belongs to no request"
        )));
    };
    let request = Request::of(client, correlation).await?;
    request.ok_or_else(|| Failure::not_found(format!("there is no request {correlation}")))
}

/// What is owed, and the causes that nobody here has seen.
fn owed(request: &Request, status: &Status) -> Vec<String> {
    let mut owed = request.owed(status);
    let unseen = request.unresolved.iter();
    owed.extend(unseen.map(|cause| format!("the cause {cause} is in no history of this node")));
    owed
}

fn tree(request: &Request, session: &mut Session) -> Result<(), Failure> {
    let paint = session.out.paint;
    let correlation = paint.bold(&request.correlation);
    session
        .out
        .line(&format!("request {correlation}  began {}", request.began))?;
    let mut last_of = Vec::new();
    for (at, node) in request.nodes.iter().enumerate() {
        let rest = &request.nodes[at + 1..];
        let branch = branch(node.depth, rest, &mut last_of);
        let text = line(node, request, &branch, session);
        session.out.line(&text)?;
    }
    if request.truncated {
        session.notes.note(&format!(
            "note: only the first {} records are shown",
            request.nodes.len()
        ));
    }
    Ok(())
}

/// The lines that lead to a node; `last_of` remembers for each depth whether the branch above has ended.
fn branch(depth: usize, rest: &[Node], last_of: &mut Vec<bool>) -> String {
    let is_last = rest
        .iter()
        .take_while(|later| later.depth >= depth)
        .all(|later| later.depth != depth);
    last_of.truncate(depth);
    last_of.push(is_last);
    let above = last_of.iter().skip(1).take(depth.saturating_sub(1));
    let mut text: String = above.map(|ended| if *ended { "   " } else { "│  " }).collect();
    if depth > 0 {
        text.push_str(if is_last { "└─ " } else { "├─ " });
    }
    text
}

fn line(node: &Node, request: &Request, branch: &str, session: &Session) -> String {
    let paint = session.out.paint;
    let mark = if node.purpose == "command" { "!" } else { "" };
    let private = if node.visibility == "private" {
        " (private)"
    } else {
        ""
    };
    let place = paint.hue(&node.service, &format!("{}:{}", node.service, node.position));
    let name = paint.bold(&format!("{}{mark}", node.event_type));
    let tags = node.tags.first().cloned().unwrap_or_default();
    let after = paint.dim(&delta(request.began, node.recorded));
    let id = paint.dim(&short(&node.id));
    format!("{branch}{place} {name}{private}  {tags}  {after}  {id}")
}

fn summary(request: &Request, owed: &[String], session: &mut Session) -> Result<(), Failure> {
    let services: Vec<String> = request
        .services
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let span = delta(request.began, request.last);
    let head = if owed.is_empty() {
        session
            .out
            .paint
            .green(&format!("complete after {}", span.trim_start_matches('+')))
    } else {
        session
            .out
            .paint
            .yellow(&format!("open, {} so far", span.trim_start_matches('+')))
    };
    session.out.line(&format!(
        "{head}: {} records ({})",
        request.nodes.len(),
        services.join(", ")
    ))?;
    owed.iter()
        .try_for_each(|line| session.out.line(&format!("  owed: {line}")))
}

#[cfg(test)]
mod tests {
    use super::branch;
    use crate::requests::Node;

    fn node(depth: usize) -> Node {
        let json = serde_json::json!({ "id": "x", "type": "t", "purpose": "event", "visibility": "public",
            "depth": depth, "tags": [], "service": "s", "position": 0, "recorded": "2026-01-01T00:00:00Z" });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn branches_lead_from_causes_to_effects() {
        let nodes: Vec<_> = [0, 1, 2, 2, 1, 2, 0].into_iter().map(node).collect();
        let mut last_of = Vec::new();
        let drawn: Vec<String> = (0..nodes.len())
            .map(|at| branch(nodes[at].depth, &nodes[at + 1..], &mut last_of))
            .collect();
        assert_eq!(drawn, ["", "├─ ", "│  ├─ ", "│  └─ ", "└─ ", "   └─ ", ""]);
    }
}
