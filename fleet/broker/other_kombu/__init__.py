"""Every other broker, through kombu's virtual transports."""
