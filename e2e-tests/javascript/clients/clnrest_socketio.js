// The Node.js program of Core Lightning's documentation for CLNRest's Socket.IO, with its address and its
// rune as arguments.
//
//     clnrest_socketio.js URL RUNE
const io = require('socket.io-client');
const socket = io.connect(process.argv[2], {extraHeaders: {rune: process.argv[3]}});
socket.on('connect', function() {
  console.log('Client Connected');
});
socket.on('disconnect', function(reason) {
  console.log('Server connection closed: ', reason, '\nCheck CLN logs for errors if unexpected');
});
socket.on('message', function(data) {
  console.log('Message from server: ', data);
});
socket.on('error', function(err) {
  console.error('Error from server: ', err);
});
