"""`waybill`: Waybill's command line client, over HTTP only."""
