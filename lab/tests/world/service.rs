//! The web server and the probe.

use crate::{LIMIT, Outcome, two_hosts};
use heartline_lab::{Host, Job, World, outages, wait_until};
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;

fn serve(host: &mut Host) -> Result<Job, heartline_lab::Error> {
    host.spawn(&[host.helper().as_os_str(), "lab-web".as_ref(), "/var/www".as_ref(), "0.0.0.0:80".as_ref()])
}

pub(crate) fn an_outage_is_measured(mut world: World) -> Outcome {
    let (_lan, mut ha1, mut client) = two_hosts(&mut world)?;
    ha1.write("/var/www/index.html", "ha1\nmore\n", 0o644)?;
    ha1.boot()?;
    client.boot()?;
    let web = serve(&mut ha1)?;
    let helper = client.helper().to_string_lossy().into_owned();
    let probe = client.spawn(&[helper.as_str(), "lab-probe", "10.77.1.1", "80", "/", "5"])?;
    let last = || probe.said().lines().last().unwrap_or_default().to_owned();
    wait_until("ha1 answers", LIMIT, || last().contains(r#""ok":true,"text":"ha1""#))?;
    ha1.power_cut()?;
    wait_until("ha1 is missed", LIMIT, || last().contains(r#""ok":false"#))?;
    ha1.boot()?;
    let again = serve(&mut ha1)?;
    wait_until("ha1 answers again", LIMIT, || last().contains(r#""ok":true"#))?;
    let all = outages(&probe.said());
    // The probe may have started before the server: that outage has no good try before it.
    let gap = all.last().ok_or("no outage")?;
    let lasted = gap.to_us.ok_or("the outage lasts")? - gap.from_us;
    println!("an outage of {lasted} us with {} tries that failed", gap.failed);
    assert!(gap.failed > 0 && lasted > 0 && all.len() <= 2, "{all:?}");
    drop(web);
    again.signal(Signal::SIGTERM)?;
    assert_eq!(again.wait(LIMIT)?.status.code(), Some(0));
    Ok(())
}

pub(crate) fn the_web_server_serves_its_root_alone(mut world: World) -> Outcome {
    let (_lan, mut ha1, _) = two_hosts(&mut world)?;
    ha1.write("/var/www/index.html", "hello\n", 0o644)?;
    ha1.boot()?;
    let web = serve(&mut ha1)?;
    wait_until("the server listens", LIMIT, || TcpStream::connect("10.77.1.1:80").is_ok())?;
    let cases = [
        ("GET / HTTP/1.0", "HTTP/1.0 200 OK", "\r\n\r\nhello\n"),
        ("HEAD / HTTP/1.0", "HTTP/1.0 200 OK", "\r\n\r\n"),
        ("GET /../../etc/passwd HTTP/1.0", "HTTP/1.0 404 ", "Not Found\n"),
        ("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.0", "HTTP/1.0 404 ", "Not Found\n"),
        ("PUT / HTTP/1.0", "HTTP/1.0 405 ", "Not Allowed\n"),
        ("nonsense", "HTTP/1.0 400 ", "Bad Request\n"),
    ];
    for (request, start, end) in cases {
        let mut stream = TcpStream::connect("10.77.1.1:80")?;
        write!(stream, "{request}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        assert!(answer.starts_with(start) && answer.ends_with(end), "{request}: {answer}");
    }
    // A restart takes the address at once, although connections linger.
    drop(web);
    let _web = serve(&mut ha1)?;
    wait_until("the server is back", LIMIT, || TcpStream::connect("10.77.1.1:80").is_ok())?;
    Ok(())
}
