"""sFlow version 5: datagrams decoded, collected and counted (sflow.org/sflow_version_5.txt)."""
