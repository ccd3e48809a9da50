//! BGP Monitoring Protocol, RFC 7854: what peers say, told to a collector. Pure: what happened in, octets out.
