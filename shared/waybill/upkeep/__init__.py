"""What keeps the service tidy: recovery, retention, announcements, and what people do to jobs and entities."""
