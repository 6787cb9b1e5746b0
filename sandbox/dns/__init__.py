"""Cloud DNS of the sandbox: managed zones, their API, and the name server that answers from them."""
