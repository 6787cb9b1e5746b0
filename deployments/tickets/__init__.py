"""From a ticket to a load balancer: keys and signatures by command, and a bridge for webhooks. See README.md."""
